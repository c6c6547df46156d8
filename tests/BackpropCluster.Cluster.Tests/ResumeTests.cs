using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.ClusterTests.Processes;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Grains.Actors;
using Orleans.Hosting;

namespace BackpropCluster.ClusterTests;

/// <summary>A run that was ended in the middle, by a signal, a kill or a damaged file, goes on to the same
/// bits.</summary>
public sealed partial class ResumeTests : IDisposable
{
    private const int SaveEvery = 100;

    // Each save waits for the disk a dozen times, on a slow one for longer than the steps between take.
    private static readonly string[] Longer =
    [
        "--set",
        "training.epochs=150",
        "--set",
        $"training.checkpoint_every={SaveEvery}",
    ];

    // In the cheapest cut: it has the same bits.
    private static readonly string[] Undisturbed =
    [
        .. Longer,
        "--set",
        "training.checkpoint_every=100000",
        "--set",
        "cluster.silos=1",
        "--set",
        "cluster.granularity=layer",
    ];

    private readonly Backprop backprop = new();

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task ControlCSavesAndThePrintedCommandGoesOnInAnotherCut()
    {
        var whole = (await backprop.Run(["train", Example("iris"), .. Undisturbed, "--json"])).Json;
        var interrupted = await backprop.Run(
            [],
            (process, line) => SignalAt(process, line, "INT", step: 700),
            [
                "train",
                Example("iris"),
                .. Longer,
                "--set",
                "training.log_every=100",
                "--set",
                "cluster.granularity=neuron",
            ]
        );
        Assert.Equal(130, interrupted.ExitCode);
        var command = GoOn().Match(interrupted.Talk);
        Assert.True(command.Success, interrupted.Talk);

        var resumed = (
            await backprop.Run([
                "train",
                "--resume",
                command.Groups["run"].Value,
                "--set",
                "cluster.granularity=layer",
                "--set",
                "cluster.silos=2",
                "--json",
            ])
        ).Json;
        Assert.Equal(whole.GetProperty("weightsSha256").GetString(), resumed.GetProperty("weightsSha256").GetString());
        Assert.InRange(resumed.GetProperty("resumedFrom").GetInt32(), 1, resumed.GetProperty("steps").GetInt32() - 1);
        Assert.Equal(Metrics(whole.GetProperty("run").GetString()!), Metrics(command.Groups["run"].Value));
    }

    // A process that is killed has said nothing and saved nothing since its last checkpoint.
    [Fact]
    public async Task AKilledProcessIsResumedFromItsNewestCheckpoint()
    {
        var whole = (await backprop.Run(["train", Example("iris"), .. Undisturbed, "--json"])).Json;
        var killed = await backprop.Run(
            [],
            (process, line) => SignalAt(process, line, "KILL", step: 700),
            ["train", Example("iris"), .. Longer, "--set", "training.log_every=100"]
        );
        Assert.Equal(137, killed.ExitCode);
        var list = (await backprop.Run("runs", "list", "--json"))
            .Json.GetProperty("runs")
            .EnumerateArray()
            .Single(r => r.GetProperty("status").GetString() == "cut off");
        var resumed = (
            await backprop.Run([
                "train",
                Example("iris"),
                .. Longer,
                "--resume",
                list.GetProperty("run").GetString()!,
                "--json",
            ])
        ).Json;
        Assert.Equal(whole.GetProperty("weightsSha256").GetString(), resumed.GetProperty("weightsSha256").GetString());
        Assert.True(resumed.GetProperty("resumedFrom").GetInt32() >= 700 - SaveEvery, resumed.ToString());
    }

    [Fact]
    public async Task ADamagedCheckpointIsNamedAndTheOneBeforeIsUsed()
    {
        var whole = (
            await backprop.Run([
                "train",
                Example("iris"),
                "--set",
                "training.checkpoint_every=100",
                "--set",
                "training.keep_checkpoints=all",
                "--json",
            ])
        ).Json;
        var run = whole.GetProperty("run").GetString()!;
        var part = Directory
            .EnumerateFiles(backprop.Folder, "layer-1-part-0", SearchOption.AllDirectories)
            .MaxBy(f => int.Parse(StepOf().Match(f).Groups[1].ValueSpan))!;
        var bytes = await File.ReadAllBytesAsync(part, TestContext.Current.CancellationToken);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(part, bytes, TestContext.Current.CancellationToken);

        var verify = await backprop.Run("checkpoint", "verify", run);
        Assert.Equal(5, verify.ExitCode);
        Assert.Contains("BROKEN", verify.Output, StringComparison.Ordinal);
        var exported = await backprop.Run("checkpoint", "export", run, "--to", "before.safetensors");
        Assert.Equal(0, exported.ExitCode);
        Assert.Matches(
            @"^warning: the checkpoint of step \d+ is broken: .*; the one before it is looked at\n$",
            exported.Talk
        );
        var resumed = await backprop.Run("train", "--resume", run, "--json");
        Assert.Equal(
            whole.GetProperty("weightsSha256").GetString(),
            resumed.Json.GetProperty("weightsSha256").GetString()
        );
        Assert.Contains("warning: the checkpoint of step", resumed.Talk, StringComparison.Ordinal);
        Assert.Contains("its bytes are not those that were written", resumed.Talk, StringComparison.Ordinal);
        Assert.Equal(0, (await backprop.Run("checkpoint", "verify", run)).ExitCode);
    }

    [Fact]
    public async Task ExportedParametersAreThoseOfTheRunAndOfItsBeginning()
    {
        var trained = (
            await backprop.Run([
                "train",
                Example("iris"),
                "--set",
                "training.checkpoint_every=100",
                "--set",
                "training.keep_checkpoints=all",
                "--json",
            ])
        ).Json;
        var run = trained.GetProperty("run").GetString()!;
        Assert.Equal(
            [0, 100, 200],
            (await backprop.Run("checkpoint", "list", run, "--json"))
                .Json.GetProperty("checkpoints")
                .EnumerateArray()
                .Select(c => c.GetProperty("step").GetInt32())
                .Take(3)
        );
        Assert.Equal(0, (await backprop.Run("checkpoint", "export", run, "--to", "trained.safetensors")).ExitCode);
        Assert.Equal(
            0,
            (await backprop.Run("checkpoint", "export", run, "--step", "0", "--to", "initial.safetensors")).ExitCode
        );
        Assert.Equal(trained.GetProperty("weightsSha256").GetString(), HashOf("trained.safetensors"));
        Assert.NotEqual(trained.GetProperty("weightsSha256").GetString(), HashOf("initial.safetensors"));
        var missing = await backprop.Run("checkpoint", "export", run, "--step", "7", "--to", "seven.safetensors");
        Assert.Equal(2, missing.ExitCode);
        Assert.Contains("no checkpoint of step 7", missing.Talk, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(backprop.Folder, "seven.safetensors")));
    }

    [Fact]
    public async Task AnotherRunFileOrAnotherVersionsFolderIsRefused()
    {
        var run = (await backprop.Run("train", Example("xor"), "--json")).Json.GetProperty("run").GetString()!;
        var other = await backprop.Run("train", "--resume", run, "--set", "optimizer.learning_rate=0.125");
        Assert.Equal(2, other.ExitCode);
        Assert.Contains("it would be another run", other.Talk, StringComparison.Ordinal);
        var manifest = Path.Combine(backprop.Folder, "runs", run, "manifest.json");
        await File.WriteAllTextAsync(
            manifest,
            (await File.ReadAllTextAsync(manifest, TestContext.Current.CancellationToken)).Replace(
                "\"format\":3",
                "\"format\":4",
                StringComparison.Ordinal
            ),
            TestContext.Current.CancellationToken
        );
        var later = await backprop.Run("train", "--resume", run);
        Assert.Equal(6, later.ExitCode);
        Assert.Contains(
            "the run folder is of format 4, made by backprop 0.2.0; this program, backprop 0.2.0, reads format 3",
            later.Talk,
            StringComparison.Ordinal
        );
    }

    // Sent to a colleague: the folders come together, and nothing in them says where they were.
    [Fact]
    public async Task ARunThatWasMovedTogetherWithItsDataGoesOnThere()
    {
        var there = Path.Combine(backprop.Folder, "there");
        Directory.CreateDirectory(there);
        string[] train =
        [
            "train",
            ProcessRuns.Write(there),
            "--run-dir",
            Path.Combine(there, "runs"),
            "--set",
            "cluster.silos=1",
            "--set",
            "training.epochs=6000",
        ];
        var interrupted = await backprop.Run(
            [],
            (process, line) => SignalAt(process, line, "INT", step: 200),
            [.. train, "--set", "training.log_every=100"]
        );
        Assert.True(interrupted.ExitCode == 130, interrupted.Talk);
        var run = Path.GetFileName(Directory.EnumerateDirectories(Path.Combine(there, "runs")).Single());
        using (
            var manifest = JsonDocument.Parse(
                await File.ReadAllTextAsync(
                    Path.Combine(there, "runs", run, "manifest.json"),
                    TestContext.Current.CancellationToken
                )
            )
        )
            Assert.Equal(
                (16, 7, 3),
                (
                    manifest.RootElement.GetProperty("rows").GetInt32(),
                    manifest.RootElement.GetProperty("columns").GetInt32(),
                    manifest.RootElement.GetProperty("classes").GetInt32()
                )
            );

        var elsewhere = Path.Combine(backprop.Folder, "deep", "else where");
        Directory.CreateDirectory(Path.GetDirectoryName(elsewhere)!);
        Directory.Move(there, elsewhere);
        var runs = Path.Combine(elsewhere, "runs");
        Assert.DoesNotContain(
            backprop.Folder,
            await File.ReadAllTextAsync(Path.Combine(runs, run, "run.yaml"), TestContext.Current.CancellationToken),
            StringComparison.Ordinal
        );
        Assert.Equal(0, (await backprop.Run("checkpoint", "verify", run, "--run-dir", runs)).ExitCode);
        var again = await backprop.Run(
            "train",
            "--resume",
            run,
            "--run-dir",
            runs,
            "--set",
            "training.epochs=6000",
            "--json"
        );
        var file = RunFileLoader.Load(Path.Combine(runs, run, "run.yaml"), null);
        Assert.Equal(ProcessRuns.Reference(file).WeightsSha256, again.Json.GetProperty("weightsSha256").GetString());
        Assert.InRange(
            again.Json.GetProperty("resumedFrom").GetInt32(),
            1,
            again.Json.GetProperty("steps").GetInt32() - 1
        );
    }

    // The last good checkpoint is kept, and can be exported.
    [Fact]
    public async Task ADivergingRunKeepsItsLastGoodCheckpoint()
    {
        var ended = await backprop.Run(
            "train",
            Example("iris"),
            "--set",
            "training.checkpoint_every=1",
            "--set",
            "model.layers[0].activation=identity",
            "--set",
            "model.layers[1].activation=identity",
            "--set",
            "optimizer.learning_rate=50"
        );
        Assert.Equal(3, ended.ExitCode);
        Assert.Matches(@"The checkpoint of step \d+ is kept", ended.Talk);
        var run = Path.GetFileName(Directory.EnumerateDirectories(Path.Combine(backprop.Folder, "runs")).Single());
        Assert.Equal(0, (await backprop.Run("checkpoint", "export", run, "--to", "good.safetensors")).ExitCode);
    }

    // Once: a second signal ends the program at once. So not at a step with an evaluation, which has two lines.
    private static void SignalAt(Process process, string line, string signal, int step)
    {
        if (!line.StartsWith($"step {step:N0}/", StringComparison.Ordinal))
            return;
        using var kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"]);
        kill.WaitForExit(TimeSpan.FromSeconds(5));
    }

    private string HashOf(string file)
    {
        using var stream = File.OpenRead(Path.Combine(backprop.Folder, file));
        var tensors = Safetensors.Read(file, stream).ToDictionary(t => t.Name, t => t.Values);
        return WeightsHash.Sha256(
            Enumerable
                .Range(0, tensors.Count / 2)
                .Select(l => (tensors[$"layers.{l}.weight"], tensors[$"layers.{l}.bias"]))
        );
    }

    private string[] Metrics(string run) =>
        File.ReadAllLines(Path.Combine(backprop.Folder, "runs", run, "metrics.jsonl"));

    private static string Example(string name) => Path.Combine(Backprop.Root, "examples", $"{name}.yaml");

    [GeneratedRegex(@"interrupted and saved at step \d+ of \d+\. Go on with: backprop train --resume (?<run>\S+)")]
    private static partial Regex GoOn();

    [GeneratedRegex(@"step-(\d+)-term")]
    private static partial Regex StepOf();
}
