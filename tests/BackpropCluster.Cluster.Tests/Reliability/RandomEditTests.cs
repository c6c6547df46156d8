using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Cli.Runs;
using BackpropCluster.ClusterTests.Processes;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.ClusterTests.Reliability;

/// <summary>Three silos that live long, runs one after the other, a data file that is edited, deleted and put back at
/// random moments, and silos that die: a run ends in the hash of the rows that it was planned with, or says which silo
/// lacks which file.</summary>
[Collection(SerialTests.Name)]
public sealed class RandomEditTests : IDisposable
{
    private static readonly TimeSpan RunBound = TimeSpan.FromMinutes(3);
    private readonly Backprop backprop = new();
    private int finished;
    private int refused;

    public RandomEditTests() => RedisServer.Need();

    private string Rows => Path.Combine(backprop.Folder, "seven.csv");

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task TwoRunsAmongEditsAndKillsAreRightOrRefused() => await EditAndKill(runs: 2, seed: 5);

    [Fact, Trait("length", "long")]
    public async Task ManyRunsAmongEditsAndKillsAreRightOrRefused()
    {
        RequiresLongTests.Need();
        await EditAndKill(
            runs: int.TryParse(Environment.GetEnvironmentVariable("BACKPROP_EDITED_RUNS"), out var runs) ? runs : 12,
            seed: Environment.TickCount
        );
        // A few runs may all come to one end by chance.
        Assert.True(
            finished + refused < 30 || (finished > 0 && refused > 0),
            $"{finished} runs were finished and {refused} refused: one of the two was never tried"
        );
    }

    private async Task EditAndKill(int runs, int seed)
    {
        Faults.Tell($"seed {seed}");
        var random = new Random(seed);
        await using var cluster = await Faults.Cluster();
        for (var i = 0; i < runs; i++)
        {
            var path = ProcessRuns.Write(backprop.Folder);
            Edit(random, canBeGone: false);
            var file = RunFileLoader.Load(
                path,
                [
                    $"data.batch={random.Next(1, 6)}",
                    "data.microbatches=1",
                    "training.epochs=800",
                    "cluster.give_up_after=10s",
                    "training.checkpoint_every=50",
                    $"cluster.granularity={random.Next(3, 14)}",
                ]
            );
            var end = await Train(cluster, file, random);
            Faults.Tell($"run {i + 1}: {end}");
        }

        Faults.Tell($"{finished} runs finished, {refused} were refused");
    }

    private async Task<string> Train(SharedCluster cluster, Cli.RunFiles.RunFile file, Random random)
    {
        var (plan, watched) = (ProcessRuns.Plan(file), new Watched());
        if (random.Next(6) == 0)
            Edit(random, canBeGone: true);
        var training = TrainingClient.Train(
            cluster.Client.Grains,
            plan,
            file.Cluster.StepDeadline,
            watched.Take,
            file.ToYaml(),
            cancellation: TestContext.Current.CancellationToken
        );
        for (var faults = random.Next(4); faults > 0; faults--)
        {
            var step = watched.CommittedSteps + random.Next(200);
            Assert.True(
                await Faults.ComesAbout(() => training.IsCompleted || watched.CommittedSteps >= step, RunBound),
                $"run {plan.Run} did not come to step {step} within {RunBound.TotalMinutes} minutes: {watched.History}"
            );
            if (random.Next(2) == 0)
                Edit(random, canBeGone: true);
            else
                await Replace(cluster, random);
        }

        Assert.True(
            await Faults.ComesAbout(() => training.IsCompleted, RunBound),
            $"run {plan.Run} did not end within {RunBound.TotalMinutes} minutes: {watched.History}"
        );
        try
        {
            var outcome = await training;
            if (outcome.Result is null)
                return Refused(
                    outcome.Last.Failure?.Kind == FailureKind.Data,
                    outcome.Last.Failure?.Reason ?? $"{outcome.Last.Status}"
                );
            Assert.Equal(
                ReferenceTrainer.Train(file.Spec, Planner.Load(file)).WeightsSha256,
                outcome.Result.WeightsSha256
            );
            finished++;
            return $"finished in term {outcome.Last.Term}";
        }
        catch (SiloRefusedException e)
        {
            return Refused(true, e.Message);
        }
    }

    private string Refused(bool isOfData, string reason)
    {
        Assert.True(
            isOfData
                && reason.Contains("silo ", StringComparison.Ordinal)
                && reason.Contains(Rows, StringComparison.Ordinal),
            $"a run ended otherwise than finished or without rows: {reason}"
        );
        refused++;
        return $"refused: {reason}";
    }

    // A silo dies at once, and a new one comes in its place.
    private static async Task Replace(SharedCluster cluster, Random random)
    {
        var silo = cluster.Silos[random.Next(cluster.Silos.Count)];
        await silo.Process.Kill();
        cluster.Silos.Remove(silo);
        await cluster.AddSilo();
    }

    private void Edit(Random random, bool canBeGone)
    {
        if (canBeGone && random.Next(4) == 0)
            File.Delete(Rows);
        else
            File.WriteAllText(Rows, ProcessRuns.Rows(classes: true, shift: random.Next(4)));
    }
}
