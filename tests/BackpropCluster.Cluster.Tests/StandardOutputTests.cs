using BackpropCluster.Cli.CommandLine;
using BackpropCluster.ClusterTests.Processes;

namespace BackpropCluster.ClusterTests;

/// <summary>A result that nobody takes is a user's affair: a sentence, an exit code of its own, and all that was done
/// stays done.</summary>
public sealed class StandardOutputTests : IDisposable
{
    private const string Unwritten = "backprop: standard output cannot be written: ";
    private readonly Backprop backprop = new();

    public void Dispose() => backprop.Dispose();

    [Theory]
    [InlineData(">&-", "it is closed")]
    [InlineData(">/dev/full", "No space left on device")]
    public async Task AResultThatCannotBeWrittenIsSaid(string to, string why)
    {
        var listed = await Shell($"runs list {to}");
        Assert.Equal((7, ""), (listed.ExitCode, listed.Output));
        Assert.StartsWith($"{Unwritten}{why}. ", listed.Talk, StringComparison.Ordinal);
        Assert.Single(listed.Talk.TrimEnd('\n').Split('\n'));
    }

    [Theory]
    [InlineData("", ">&-")]
    [InlineData("--json", ">/dev/full")]
    public async Task ARunWhoseResultCannotBeWrittenLiesWholeInItsFolder(string json, string to)
    {
        var trained = await Shell($"train {Example} {json} {to}");
        Assert.True(trained.ExitCode == 7, $"exit code {trained.ExitCode}: {trained.Talk}");
        Assert.Contains(Unwritten, trained.Talk, StringComparison.Ordinal);
        var run = Assert.Single(
            (await backprop.Run("runs", "list", "--json")).Json.GetProperty("runs").EnumerateArray()
        );
        Assert.Equal("completed", run.GetProperty("status").GetString());
        Assert.Equal(0, (await backprop.Run("checkpoint", "verify", run.GetProperty("run").GetString()!)).ExitCode);
        Assert.Equal(
            1000,
            Lines(Path.Combine(backprop.Folder, "runs", run.GetProperty("run").GetString()!, "metrics.jsonl"))
        );
    }

    [Theory, InlineData("2>&-"), InlineData("2>/dev/full")]
    public async Task TalkThatNobodyTakesKeepsNobodyFromTraining(string to)
    {
        var trained = await Shell($"train {Example} --json {to}");
        Assert.Equal(1000, trained.Json.GetProperty("steps").GetInt32());
    }

    /// <summary>The result is told, and what could not be written, and the command that writes it.</summary>
    [Fact]
    public async Task ARunWhoseMetricsFillTheDiskTellsItsResult()
    {
        var run = (await backprop.Run("train", Example, "--json")).Json;
        var name = run.GetProperty("run").GetString()!;
        var metrics = Path.Combine(backprop.Folder, "runs", name, "metrics.jsonl");
        File.Delete(metrics);
        File.CreateSymbolicLink(metrics, "/dev/full");

        var again = await backprop.Run("train", "--resume", name, "--json");
        Assert.True(again.ExitCode == 6, $"exit code {again.ExitCode}: {again.Talk}");
        Assert.Contains(run.GetProperty("weightsSha256").GetString()!, again.Output, StringComparison.Ordinal);
        var said = again.Talk.TrimEnd('\n').Split('\n');
        Assert.Single(
            said,
            line =>
                line.StartsWith(
                    $"warning: {Path.Combine("runs", name)} cannot be written: No space left on device",
                    StringComparison.Ordinal
                )
        );
        Assert.Matches(
            $"^backprop: run {name} is trained, its result is told, but not all of .* could be written: No space "
                + $"left on device.*train --resume {name}$",
            said[^1]
        );

        File.Delete(metrics);
        Assert.Equal(0, (await backprop.Run("train", "--resume", name, "--json")).ExitCode);
        Assert.Equal(1000, Lines(metrics));
    }

    /// <summary>Somebody else's runs may be looked at where they may not be written.</summary>
    [Fact]
    public async Task RunsInAFolderThatMayOnlyBeReadAreShown()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/bwrap"), "bwrap is not installed: apt-get install bubblewrap");
        var name = (await backprop.Run("train", Example, "--json")).Json.GetProperty("run").GetString()!;
        foreach (var command in new[] { "runs list", $"runs show {name}" })
        {
            var shown = await Child
                .Start(
                    "bwrap",
                    backprop.Folder,
                    [
                        "--dev-bind",
                        "/",
                        "/",
                        "--ro-bind",
                        backprop.Folder,
                        backprop.Folder,
                        "--chdir",
                        backprop.Folder,
                        "dotnet",
                        Backprop.Program,
                        .. command.Split(' '),
                    ]
                )
                .Ends();
            Assert.True(shown.ExitCode == 0, $"{command}: exit code {shown.ExitCode}: {shown.Talk}");
            Assert.Contains($"{name, -40} completed", shown.Output, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT", "not a uri")]
    [InlineData("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "localhost:4317")]
    [InlineData("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "ftp://:S3cretWord@host")]
    public async Task AnEndpointThatIsNoneIsNamedByItsVariable(string variable, string value)
    {
        foreach (
            var command in new string[][]
            {
                ["train", Example],
                ["silo", "--cluster", $"localhost:{RedisServer.FreePort()}"],
            }
        )
            Mistake.Assert(
                await backprop.Run([(variable, value)], null, command),
                2,
                $"{variable} holds no address, expected http://host:port or https://host:port. Nothing was started."
            );
        var doctor = await backprop.Run([(variable, value)], null, "doctor");
        Assert.Equal(2, doctor.ExitCode);
        Assert.Contains($"fail  {variable} holds no address", doctor.Output, StringComparison.Ordinal);
        Assert.Empty(backprop.LeftBehind);
    }

    [Fact]
    public async Task TheDoctorAsksTheStoreAndTheCollector()
    {
        RedisServer.Need();
        await using var redis = await RedisServer.Start();
        using var collector = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        collector.Start();
        var (answers, nobody) = (((System.Net.IPEndPoint)collector.LocalEndpoint).Port, RedisServer.FreePort());
        var content = await backprop.Run(
            [("OTEL_EXPORTER_OTLP_ENDPOINT", $"http://127.0.0.1:{answers}")],
            null,
            "doctor",
            "--cluster",
            redis.Url()
        );
        Assert.True(content.ExitCode == 0, content.Output);
        Assert.Contains($"ok    {redis.Shown()} answers", content.Output, StringComparison.Ordinal);
        Assert.Contains(
            $"ok    the OTLP endpoint 127.0.0.1:{answers} can be reached",
            content.Output,
            StringComparison.Ordinal
        );

        var without = await backprop.Run(
            [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", $"http://127.0.0.1:{nobody}")],
            null,
            "doctor",
            "--cluster",
            $"redis://127.0.0.1:{nobody}"
        );
        Assert.Equal(4, without.ExitCode);
        Assert.Contains($"fail  redis://127.0.0.1:{nobody} does not answer", without.Output, StringComparison.Ordinal);
        Assert.Contains(
            $"warn  the OTLP endpoint 127.0.0.1:{nobody} cannot be reached",
            without.Output,
            StringComparison.Ordinal
        );
    }

    private static int Lines(string path) => File.ReadLines(path).Count();

    private static string Example => Path.Combine(Backprop.Root, "examples", "xor.yaml");

    private Task<Ended> Shell(string command) =>
        Child.Start("sh", backprop.Folder, "-c", $"exec dotnet {Backprop.Program} {command}").Ends();
}
