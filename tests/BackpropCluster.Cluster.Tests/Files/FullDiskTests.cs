using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Client;

namespace BackpropCluster.ClusterTests;

/// <summary>The disk is full, or the folder gone, in the middle of training: the run goes on and says so, and ends
/// after three attempts in a row.</summary>
public sealed class FullDiskTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-full-");
    private readonly Backprop backprop = new();

    public void Dispose()
    {
        folder.Delete(recursive: true);
        backprop.Dispose();
    }

    /// <summary>Two checkpoints fail, wherever in their writes; the third counts.</summary>
    [Theory, InlineData("layer-2-part-0"), InlineData("checkpoint"), InlineData("head-")]
    public async Task TwoFailuresInARowAreSaidAndTheRunCompletes(string record)
    {
        var plan = SavedRuns.PlanOf("short", seed: 9) is var p
            ? p with
            {
                Spec = p.Spec with { Training = p.Spec.Training with { Epochs = 10 } },
            }
            : null!;
        var saves = 0;
        // The first head is the lead's own.
        var outcome = await Train(
            plan,
            name =>
                Path.GetFileName(name).StartsWith(record, StringComparison.Ordinal)
                && ++saves is var n
                && (record == "head-" ? n is 2 or 3 : n is 1 or 2)
        );
        Assert.True(outcome.Result is not null, outcome.Last.Failure?.Reason);
        Assert.Equal(
            ReferenceTrainer.Train(plan.Spec, Runs.BuiltIn(plan.Spec)).WeightsSha256,
            outcome.Result.WeightsSha256
        );
        Assert.Equal(
            [
                "version 2 could not be saved: No space left on device",
                "version 4 could not be saved: No space left on device",
            ],
            outcome.Last.Warnings
        );
        Assert.Equal((10, 0), (outcome.Last.SavedVersion, outcome.Last.Recoveries));
    }

    [Fact]
    public async Task ThreeInARowEndTheRunAndTheLastWholeCheckpointIsKept()
    {
        var plan = SavedRuns.PlanOf("ending", seed: 10) is var p
            ? p with
            {
                Spec = p.Spec with { Training = p.Spec.Training with { Epochs = 20 } },
            }
            : null!;
        var outcome = await Train(
            plan,
            name =>
                name.Contains("/step-", StringComparison.Ordinal)
                && !name.Contains("/step-2-", StringComparison.Ordinal)
        );
        Assert.Equal(
            (RunStatus.Failed, FailureKind.Store, 2),
            (outcome.Last.Status, outcome.Last.Failure?.Kind, outcome.Last.SavedVersion)
        );
        Assert.Equal(
            Enumerable.Range(2, 3).Select(i => $"version {2 * i} could not be saved: No space left on device"),
            outcome.Last.Warnings
        );

        // With room again it goes on from there, to the same bits.
        var resumed = await Train(plan, _ => false);
        Assert.Equal(
            (2, ReferenceTrainer.Train(plan.Spec, Runs.BuiltIn(plan.Spec)).WeightsSha256),
            (resumed.Last.FirstVersion, resumed.Result?.WeightsSha256)
        );
    }

    /// <summary>As a user sees it: the run's checkpoints are taken away while it trains, and a file stands in their
    /// place.</summary>
    [Fact]
    public async Task TheProgramSaysWhatFailedWhatIsKeptAndHowToGoOn()
    {
        string[] longer =
        [
            "--set",
            "training.epochs=120",
            "--set",
            "training.checkpoint_every=100",
            "--set",
            "training.log_every=100",
        ];
        // In the cheapest cut: it has the same bits.
        string[] cheapest = ["--set", "cluster.silos=1", "--set", "cluster.granularity=layer"];
        var iris = Path.Combine(Backprop.Root, "examples", "iris.yaml");
        var whole = (await backprop.Run(["train", iris, .. longer, .. cheapest, "--json"])).Json;
        var kept = Path.Combine(backprop.Folder, "kept");
        var taken = "";
        var failed = await backprop.Run(
            [],
            (_, line) =>
            {
                if (taken.Length > 0 || !line.StartsWith("step 500/", StringComparison.Ordinal))
                    return;
                taken =
                    Directory
                        .EnumerateDirectories(Path.Combine(backprop.Folder, "runs"))
                        .Single(d => Path.GetFileName(d) != whole.GetProperty("run").GetString()) + "/checkpoints";
                Directory.Move(taken, kept);
                Block(taken);
            },
            ["train", iris, .. longer]
        );
        Assert.True(failed.ExitCode == 6, $"exit code {failed.ExitCode}: {failed.Talk}");
        Assert.Equal(
            3,
            failed
                .Talk.Split('\n')
                .Count(l =>
                    l.StartsWith("warning: version ", StringComparison.Ordinal)
                    && l.Contains("could not be saved", StringComparison.Ordinal)
                )
        );
        Assert.Matches(
            @"backprop: run \S+ cannot be saved: .* The checkpoint of step \d+ is kept\. When the folder can be written again, go on with: backprop train --resume ",
            failed.Talk
        );

        File.Delete(taken);
        Directory.Move(kept, taken);
        var run = Path.GetFileName(Path.GetDirectoryName(taken)!);
        Assert.Equal(0, (await backprop.Run("checkpoint", "verify", run)).ExitCode);
        var resumed = (await backprop.Run("train", "--resume", run, "--json")).Json;
        Assert.Equal(whole.GetProperty("weightsSha256").GetString(), resumed.GetProperty("weightsSha256").GetString());
        Assert.True(resumed.GetProperty("resumedFrom").GetInt32() >= 400, resumed.ToString());
    }

    // The program may have made the folder anew since it was moved, and may be writing into it.
    private static void Block(string path)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                if (Directory.Exists(path))
                    Directory.Delete(path, recursive: true);
                File.WriteAllText(path, "");
                return;
            }
            catch (Exception e) when (e is UnauthorizedAccessException or IOException && attempt < 100)
            {
                // It was quicker once more.
            }
        }
    }

    private async Task<TrainingOutcome> Train(RunPlan plan, Func<string, bool> isFull)
    {
        await using var cluster = SavedRuns.Silo(new FailingFolder(folder.FullName, isFull));
        await cluster.DeployAsync();
        return await TrainingClient.Train(
            cluster.Client,
            plan,
            TimeSpan.FromSeconds(20),
            cancellation: TestContext.Current.CancellationToken
        );
    }
}
