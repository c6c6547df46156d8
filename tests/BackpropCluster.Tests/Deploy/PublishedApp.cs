using System.Diagnostics;
using BackpropCluster.Cli.CommandLine;

namespace BackpropCluster.Tests.Deploy;

/// <summary>The image's /app in a folder of its own, published once from what was built for these tests: the same files
/// as the Dockerfile's publish, without a second build.</summary>
public sealed class PublishedApp : IAsyncLifetime
{
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(2);
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-app-");

    public async ValueTask InitializeAsync()
    {
        var configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        var (code, output) = await Run(
            DeployFiles.Root,
            [
                "dotnet",
                "publish",
                DeployFiles.PathOf("src/BackpropCluster.Cli"),
                "-c",
                configuration,
                "--no-build",
                "-m:1",
                "-p:UseAppHost=false",
                "-o",
                folder.FullName,
            ]
        );
        Assert.True(code == 0, output);
        foreach (
            var instruction in DeployFiles
                .Dockerfile.Reverse()
                .TakeWhile(i => i.Name != "FROM")
                .Where(i => i.Name == "COPY" && !i.Value.StartsWith("--from", StringComparison.Ordinal))
        )
            Copy(instruction.Value.Split(' '));
        // Whoever runs in the image is not who made it.
        if (!OperatingSystem.IsWindows())
            folder.UnixFileMode |=
                UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
    }

    public string Folder => folder.FullName;

    public Task<(int Code, string Output)> Start(string[] arguments) =>
        Run(folder.FullName, [.. DeployFiles.ExecForm(DeployFiles.Instruction("ENTRYPOINT")), .. arguments]);

    public string[] Files() =>
        [
            .. folder
                .EnumerateFiles("*", SearchOption.AllDirectories)
                .Select(f => $"{f.FullName} {f.Length}")
                .Order(StringComparer.Ordinal),
        ];

    public ValueTask DisposeAsync()
    {
        folder.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }

    // Files, or all files of a folder, into the folder that is named last.
    private void Copy(string[] paths)
    {
        var target = Directory.CreateDirectory(Path.Combine(folder.FullName, paths[^1])).FullName;
        foreach (
            var source in paths[..^1]
                .Select(DeployFiles.PathOf)
                .SelectMany(path => Directory.Exists(path) ? Directory.GetFiles(path) : [path])
        )
            File.Copy(source, Path.Combine(target, Path.GetFileName(source)));
    }

    private static async Task<(int Code, string Output)> Run(string directory, string[] command)
    {
        var start = new ProcessStartInfo(command[0])
        {
            WorkingDirectory = directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // A build server that outlived the command would keep its output open, and reading it would never end.
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        foreach (var argument in command[1..])
            start.ArgumentList.Add(argument);
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        start.Environment["ASPNETCORE_HTTP_PORTS"] = "";
        using var process = Process.Start(start)!;
        var (output, talk) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var bound = new CancellationTokenSource(Bound);
        try
        {
            await process.WaitForExitAsync(bound.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"'{string.Join(' ', command)}' did not end within {Bound.TotalSeconds} s");
        }

        return (process.ExitCode, await output + await talk);
    }
}
