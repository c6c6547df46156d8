using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using BackpropCluster.Cli.CommandLine;

namespace BackpropCluster.ClusterTests;

/// <summary>What a user, or a script, gets from the program.</summary>
public sealed partial class CommandTests : IDisposable
{
    private readonly Backprop backprop = new();

    public void Dispose() => backprop.Dispose();

    [Theory]
    [InlineData("after-backward", "neuron", 1, 0.29102777369359933)]
    [InlineData("during-backward", "neuron", 1, 0.29102792390544197)]
    [InlineData("after-backward", "layer", 2, 0.29102777369359933)]
    public async Task LearnMazurGivesTheTutorialsNumbersAsJson(
        string update,
        string granularity,
        int silos,
        double lossAfter
    )
    {
        var json = (
            await backprop.Run(
                "learn",
                "mazur",
                "--json",
                "--update",
                update,
                "--granularity",
                granularity,
                "--silos",
                $"{silos}"
            )
        ).Json;
        Assert.Equal((1, update), (json.GetProperty("rounds").GetInt32(), json.GetProperty("update").GetString()));
        Assert.Equal(0.2983711087600027, json.GetProperty("lossBefore").GetDouble(), 1e-15);
        Assert.Equal(lossAfter, json.GetProperty("lossAfter").GetDouble(), 1e-15);
        var mark = TutorialOracle
            .Trajectory(update == "after-backward" ? Core.UpdateOrder.AfterBackward : Core.UpdateOrder.DuringBackward)
            .Single(m => m.Updates == 1);
        mark.AssertEquals(lossAfter, Numbers(json, "outputs"), Numbers(json, "weights"));
        var round = json.GetProperty("steps").EnumerateArray().Single();
        foreach (
            var (name, value) in new[]
            {
                ("net_h1", 0.3775),
                ("out_h1", 0.593269992),
                ("dE_dout_o1", 0.74136507),
                ("delta_o1", 0.138498562),
                ("dE_dw5", 0.082167041),
            }
        )
            Assert.Equal(value, round.GetProperty(name).GetDouble(), 1e-9);
    }

    [Theory, InlineData(3, 3), InlineData(10, 10), InlineData(11, 0)]
    public async Task UpToTenRoundsAreToldInFull(int rounds, int told) =>
        Assert.Equal(
            told,
            (await backprop.Run("learn", "mazur", "--json", "--rounds", $"{rounds}"))
                .Json.GetProperty("steps")
                .GetArrayLength()
        );

    [Fact]
    public async Task TheTutorialFitsOnAScreenAndIntoAFile()
    {
        var ended = await backprop.Run("learn", "mazur");
        Assert.Equal(0, ended.ExitCode);
        var lines = ended.Output.TrimEnd('\n').Split('\n');
        Assert.All(lines, line => Assert.True(line.Length <= 80, $"{line.Length} columns: {line}"));
        Assert.DoesNotContain('\u001b', ended.Output);
        foreach (
            var part in new[]
            {
                "forward",
                "loss",
                "backward",
                "update",
                "0.593269992  0.593269992 ✓",
                "-0.019049118 -0.019049119 ≈",
                "0.291027924 ✓",
                "during-backward",
            }
        )
            Assert.Contains(part, ended.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TrainingDigitsOnThreeSilosKeepsTheContract()
    {
        var json = (await backprop.Run("train", Example("digits"), "--json")).Json;
        Assert.Equal(
            ("completed", "layer", 2, 3, 1350, 30),
            (
                json.GetProperty("status").GetString(),
                json.GetProperty("granularity").GetString(),
                json.GetProperty("shards").GetInt32(),
                json.GetProperty("silos").GetInt32(),
                json.GetProperty("steps").GetInt32(),
                json.GetProperty("epochs").GetInt32()
            )
        );
        Assert.True(json.GetProperty("test").GetProperty("accuracy").GetDouble() >= 0.95);
        Assert.InRange(json.GetProperty("seconds").GetDouble(), 0.001, 10);
        foreach (
            var number in new[] { "stepsPerSecond", "samplesPerSecond", "recoveries", "replayedSteps", "staleMessages" }
        )
            json.GetProperty(number).GetDouble();
        foreach (var number in new[] { "local", "remote", "perSecond", "remoteBytes" })
            Assert.True(json.GetProperty("messages").GetProperty(number).GetDouble() > 0);
        Assert.Matches("^[0-9a-f]{64}$", json.GetProperty("weightsSha256").GetString());

        var run = json.GetProperty("run").GetString()!;
        Assert.Matches(@"^\d{8}-digits-[0-9a-f]{10}$", run);
        var folder = Path.Combine(backprop.Folder, "runs", run);
        Assert.Equal(
            1350,
            (
                await File.ReadAllLinesAsync(
                    Path.Combine(folder, "metrics.jsonl"),
                    TestContext.Current.CancellationToken
                )
            ).Count(line => line.Contains("\"kind\":\"step\"", StringComparison.Ordinal))
        );
        JsonDocument
            .Parse(
                await File.ReadAllTextAsync(
                    Path.Combine(folder, "manifest.json"),
                    TestContext.Current.CancellationToken
                )
            )
            .Dispose();

        // The resolved run file is a run file, and cut into neurons it ends in the same bits.
        var again = (
            await backprop.Run(
                "train",
                Path.Combine(folder, "run.yaml"),
                "--set",
                "cluster.granularity=neuron",
                "--set",
                "cluster.silos=1",
                "--json"
            )
        ).Json;
        Assert.Equal(42, again.GetProperty("shards").GetInt32());
        Assert.Equal(json.GetProperty("weightsSha256").GetString(), again.GetProperty("weightsSha256").GetString());
    }

    [Theory, InlineData("mazur"), InlineData("xor"), InlineData("iris"), InlineData("spiral")]
    public async Task EveryExampleRunsAsItIsAndTalksOnStandardError(string example)
    {
        var ended = await backprop.Run("train", Example(example));
        Assert.True(ended.ExitCode == 0, ended.Talk);
        Assert.Contains("weights  sha256 ", ended.Output, StringComparison.Ordinal);
        Assert.Contains("parameters", ended.Talk, StringComparison.Ordinal);
        Assert.Matches(@"step [\d,]+/[\d,]+  epoch \d+  loss ", ended.Talk);
        Assert.DoesNotContain('\u001b', ended.Output + ended.Talk);
    }

    [Fact]
    public async Task ParityPrintsOneHashARow()
    {
        var json = (
            await backprop.Run(
                "parity",
                Example("xor"),
                "--granularity",
                "neuron,2,layer",
                "--silos",
                "1,3",
                "--set",
                "training.epochs=50",
                "--json"
            )
        ).Json;
        Assert.True(json.GetProperty("equal").GetBoolean());
        var rows = json.GetProperty("rows").EnumerateArray().ToList();
        Assert.Equal(7, rows.Count);
        Assert.Single(rows.Select(r => r.GetProperty("weightsSha256").GetString()).Distinct());
    }

    [Fact]
    public async Task ConfigCheckAndDoctorAreContent()
    {
        Assert.Equal(
            1350,
            (await backprop.Run("config", "check", Example("digits"), "--json")).Json.GetProperty("steps").GetInt32()
        );
        var doctor = await backprop.Run("doctor");
        Assert.Equal((0, ""), (doctor.ExitCode, doctor.Talk));
        Assert.All(doctor.Output.TrimEnd('\n').Split('\n'), line => Assert.Matches("^(ok|warn) ", line));
        Assert.Empty(backprop.LeftBehind);
    }

    public static TheoryData<int, string, string[]> Failures() =>
        new()
        {
            { 2, "Unrecognized command or argument 'trian'", ["trian"] },
            { 2, "Required command was not provided", [] },
            { 2, "--rounds got '0', expected a whole number from 1", ["learn", "mazur", "--rounds", "0"] },
            { 2, "--rounds got 'x'", ["learn", "mazur", "--rounds", "x"] },
            { 2, "'sometimes'", ["learn", "mazur", "--update", "sometimes"] },
            { 2, "--silos got '0'", ["learn", "mazur", "--silos", "0"] },
            { 2, "there is no run x in runs", ["train", "{digits}", "--resume", "x"] },
            { 2, "'../x' is not a run's id", ["train", "--resume", "../x"] },
            { 2, "train got neither a run file nor --resume RUN", ["train"] },
            { 2, "there is no run x in runs", ["checkpoint", "list", "x"] },
            { 2, "there is no run x in elsewhere", ["runs", "show", "x", "--run-dir", "elsewhere"] },
            { 2, "nowhere.yaml cannot be read", ["train", "nowhere.yaml"] },
            { 2, "Did you mean 'training.epochs'?", ["train", "{digits}", "--set", "training.epoch=3"] },
            { 2, "learning_rate: got '0'", ["train", "{digits}", "--set", "optimizer.learning_rate=0"] },
            { 2, "units: got '0'", ["config", "check", "{digits}", "--set", "model.layers[0].units=0"] },
            { 2, "64 units fit no layer", ["train", "{digits}", "--set", "cluster.granularity=64"] },
            { 2, "--granularity 64 fits no layer", ["parity", "{digits}", "--granularity", "64"] },
            { 2, "--granularity got 'cells'", ["parity", "{digits}", "--granularity", "cells"] },
        };

    [Theory, MemberData(nameof(Failures))]
    public async Task AMistakeIsOneClearErrorAndNothingIsWritten(int exitCode, string says, string[] arguments)
    {
        var ended = await backprop.Run([.. arguments.Select(a => a == "{digits}" ? Example("digits") : a)]);
        Assert.Equal(exitCode, ended.ExitCode);
        AssertOneError(ended, says);
        Assert.Contains("Nothing was started.", ended.Talk, StringComparison.Ordinal);
        Assert.Empty(backprop.LeftBehind);
    }

    [Fact]
    public async Task ATakenPortIsNamedAndNothingIsStarted()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        var ended = await backprop.Run("train", Example("xor"), "--silo-port", $"{port}");
        Assert.Equal(4, ended.ExitCode);
        AssertOneError(ended, $"port {port} on 127.0.0.1 cannot be used");
        Assert.Empty(backprop.LeftBehind);
    }

    [Fact]
    public async Task ADivergingRunNamesLayerAndStep()
    {
        var ended = await backprop.Run(
            "train",
            Example("iris"),
            "--json",
            "--set",
            "model.layers[0].activation=identity",
            "--set",
            "model.layers[1].activation=identity",
            "--set",
            "optimizer.learning_rate=1e6"
        );
        Assert.Equal((3, ""), (ended.ExitCode, ended.Output));
        AssertOneError(ended, "diverged: ");
        Assert.Matches(@"layer \d .*at step \d+|loss became .* at step \d+", ended.Talk);
    }

    [Fact]
    public async Task ATargetThatIsNotMetIsSaid()
    {
        var ended = await backprop.Run(
            "train",
            Example("iris"),
            "--json",
            "--set",
            "training.epochs=1",
            "--set",
            "training.stop={ metric: test_accuracy, at: 1 }"
        );
        Assert.Equal(3, ended.ExitCode);
        AssertOneError(ended, "the target was not met: test_accuracy 1 after 1 epochs");
    }

    private static void AssertOneError(Ended ended, string says)
    {
        Assert.Contains(says, ended.Talk, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", ended.Talk, StringComparison.Ordinal);
        Assert.InRange(ErrorLine().Count(ended.Talk), 1, 1);
    }

    private static double[] Numbers(JsonElement json, string name) =>
        [.. json.GetProperty(name).EnumerateArray().Select(n => n.GetDouble())];

    private static string Example(string name) => Path.Combine(Backprop.Root, "examples", $"{name}.yaml");

    [GeneratedRegex("^backprop: ", RegexOptions.Multiline)]
    private static partial Regex ErrorLine();
}
