using System.Diagnostics;
using System.Text;
using System.Text.Json;
using BackpropCluster.Cli.CommandLine;

namespace BackpropCluster.ClusterTests;

/// <summary>The program as a user runs it: a child process in an empty folder.</summary>
internal sealed class Backprop : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-test-");

    public static string Root { get; } = FindRoot();

    /// <summary>The program as it was built. The copy beside the tests has libraries not compiled ahead.</summary>
    public static string Program { get; } =
        Path.Combine(
            Root,
            "src",
            "BackpropCluster.Cli",
            Path.GetRelativePath(TestsFolder, AppContext.BaseDirectory),
            "backprop.dll"
        );

    private static string TestsFolder => Path.Combine(Root, "tests", "BackpropCluster.Cluster.Tests");

    public string Folder => folder.FullName;

    /// <summary>Files and folders that the command left behind.</summary>
    public IEnumerable<string> LeftBehind =>
        folder
            .EnumerateFileSystemInfos("*", SearchOption.AllDirectories)
            .Select(f => Path.GetRelativePath(Folder, f.FullName));

    public Task<Ended> Run(params string[] arguments) => Run([], null, arguments);

    /// <param name="environment">Variables to set.</param>
    /// <param name="onTalk">Called with the process and each line of its standard error.</param>
    /// <param name="arguments">The command line.</param>
    public async Task<Ended> Run(
        (string Name, string Value)[] environment,
        Action<Process, string>? onTalk,
        params string[] arguments
    )
    {
        var start = new ProcessStartInfo("dotnet")
        {
            WorkingDirectory = Folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(Program);
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        var began = Stopwatch.GetTimestamp();
        using var process = Process.Start(start)!;
        var (output, talk) = (new StringBuilder(), new StringBuilder());
        var failures = new List<Exception>();
        process.OutputDataReceived += (_, line) => Append(output, line.Data);
        process.ErrorDataReceived += (_, line) =>
        {
            Append(talk, line.Data);
            try
            {
                if (line.Data is not null)
                    onTalk?.Invoke(process, line.Data);
            }
            catch (Exception e)
            {
                // Thrown here it would end the process of all tests.
                failures.Add(e);
            }
        };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        using var bound = new CancellationTokenSource(Bound);
        try
        {
            await process.WaitForExitAsync(bound.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail(
                $"backprop {string.Join(' ', arguments)} did not end within {Bound.TotalSeconds} "
                    + $"s{(failures.Count > 0 ? $", and what the test did meanwhile failed: {failures[0]}" : "")}; "
                    + $""
                    + $"it said: {talk}"
            );
        }

        Assert.True(
            failures.Count == 0,
            $"what the test did while the program talked failed: {failures.FirstOrDefault()}"
        );
        return new Ended(process.ExitCode, output.ToString(), talk.ToString(), Stopwatch.GetElapsedTime(began));
    }

    public void Dispose() => folder.Delete(recursive: true);

    private static void Append(StringBuilder text, string? line)
    {
        if (line is not null)
            text.Append(line).Append('\n');
    }

    private static string FindRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "BackpropCluster.sln")))
            directory =
                directory.Parent
                ?? throw new InvalidOperationException("the tests do not run below the repository's root");
        return directory.FullName;
    }
}

/// <summary>How a command ended.</summary>
internal sealed record Ended(int ExitCode, string Output, string Talk, TimeSpan Took)
{
    /// <summary>Standard output, which must be exactly one JSON object on one line.</summary>
    public JsonElement Json
    {
        get
        {
            Assert.True(ExitCode == 0, $"exit code {ExitCode}: {Talk}");
            Assert.Single(Output.TrimEnd('\n').Split('\n'));
            return JsonDocument.Parse(Output).RootElement;
        }
    }
}
