using System.Diagnostics;
using BackpropCluster.Tests.Deploy;

namespace BackpropCluster.Tests.Repository;

/// <summary>A reader who types the pages' commands, from the first to the last, in an empty folder with the examples
/// beside him.</summary>
public sealed class PageCommandTests : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    // By their first words, with the reason; that the program understands them is seen by PageTests.
    private static readonly Dictionary<string, string> NotRun = new()
    {
        ["silo"] = "serves until it is stopped",
        ["chaos"] = "needs Redis, and kills processes for a minute",
        ["bench"] = "measures for a minute",
        ["parity"] = "trains many times",
        ["doctor"] = "tells of the machine, not of the program",
    };

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-pages-");

    // The program as it was built: the copy beside the tests has libraries that are not compiled ahead.
    private static string ProgramPath { get; } =
        Path.Combine(
            DeployFiles.PathOf("src/BackpropCluster.Cli"),
            Path.GetRelativePath(DeployFiles.PathOf("tests/BackpropCluster.Tests"), AppContext.BaseDirectory),
            "backprop.dll"
        );

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task EveryCommandThatNeedsNoClusterEndsWithZero()
    {
        var examples = folder.CreateSubdirectory("examples").FullName;
        foreach (var example in Directory.GetFiles(DeployFiles.PathOf("examples")))
            File.Copy(example, Path.Combine(examples, Path.GetFileName(example)));
        var commands = Pages
            .Commands.Where(c => !NotRun.ContainsKey(c.Arguments.Split(' ')[0]))
            .Where(c => !c.Arguments.Contains("--cluster", StringComparison.Ordinal))
            .DistinctBy(c => c.Arguments)
            .ToList();
        Assert.True(commands.Count >= 14, $"only {commands.Count} commands of the pages can be run");
        var failures = new List<string>();
        foreach (var (where, arguments) in commands)
            if (await Run(arguments) is { Length: > 0 } problem)
                failures.Add($"{where}: 'backprop {arguments}': {problem}");
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    [Fact]
    public void EveryReasonNotToRunIsStillNeeded() =>
        Assert.All(
            NotRun.Keys,
            verb => Assert.Contains(Pages.Commands, command => command.Arguments.Split(' ')[0] == verb)
        );

    // RUN is what the reader sees last in his list of runs.
    private string NewestRun() =>
        new DirectoryInfo(Path.Combine(folder.FullName, "runs"))
            .EnumerateDirectories()
            .OrderBy(run => run.CreationTimeUtc)
            .Last()
            .Name;

    private async Task<string> Run(string arguments)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            WorkingDirectory = folder.FullName,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(ProgramPath);
        foreach (var word in arguments.Split(' '))
            start.ArgumentList.Add(word == "RUN" ? NewestRun() : word);
        using var process = Process.Start(start)!;
        var (output, diagnostics) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var bound = new CancellationTokenSource(Bound);
        try
        {
            await process.WaitForExitAsync(bound.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            return $"it did not end within {Bound.TotalSeconds} s";
        }

        var said = await diagnostics;
        return process.ExitCode != 0 ? $"exit code {process.ExitCode}: {said}"
            : (await output).Length == 0 ? $"it printed nothing: {said}"
            : "";
    }
}
