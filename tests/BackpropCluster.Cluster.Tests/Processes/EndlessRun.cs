using System.Globalization;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Coordination;
using Orleans.Runtime;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>A run that lasts until its test has seen enough, however fast this machine is. What it has become by then
/// must be what one loop in one process makes of as many steps.</summary>
internal sealed class EndlessRun : IAsyncDisposable
{
    private static readonly TimeSpan AnswerBound = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan EndBound = TimeSpan.FromSeconds(60);
    private readonly IGrainFactory grains;
    private readonly RunFile file;
    private readonly RunPlan plan;
    private readonly CancellationTokenSource interruption = new();
    private readonly Task<TrainingOutcome> training;

    private EndlessRun(IGrainFactory grains, RunFile file)
    {
        (this.grains, this.file, plan) = (grains, file, ProcessRuns.Plan(file));
        training = TrainingClient.Train(
            grains,
            plan,
            file.Cluster.StepDeadline,
            Watched.Take,
            file.ToYaml(),
            cancellation: interruption.Token
        );
    }

    /// <summary>Values that make the 7-13-11-3 model's run last: a step is an epoch, so any number of steps is a run of
    /// its own.</summary>
    public static string[] Sets { get; } = ["data.batch=all", "data.test=0", "training.epochs=1000000"];

    public Watched Watched { get; } = new();

    /// <summary>Whether somebody, or something, has ended it.</summary>
    public bool IsOver => training.IsCompleted;

    /// <param name="grains">The cluster.</param>
    /// <param name="folder">Where the run file is written.</param>
    /// <param name="sets">Further values.</param>
    public static EndlessRun Begin(IGrainFactory grains, string folder, params string[] sets) =>
        new(grains, RunFileLoader.Load(ProcessRuns.Write(folder), [.. Sets, .. sets]));

    /// <summary>Waits until the run has come to something.</summary>
    public Task Until(Func<RunProgress, bool> when, string awaited) => Watched.Until(when, awaited, training);

    /// <summary>Waits until the run ends by itself.</summary>
    /// <returns>What its coordinator said last.</returns>
    public async Task<RunProgress> Ends()
    {
        Task end = training;
        await end.WaitAsync(EndBound).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Assert.True(training.IsCompleted, $"within {EndBound.TotalSeconds} s the run did not end: {Watched.History}");
        return (await training).Last;
    }

    /// <summary>Ends the run, which must be the reference's by then: every loss, every bit of the parameters.</summary>
    /// <returns>What its coordinator said last.</returns>
    public async Task<RunProgress> EndsAsTheReference()
    {
        await interruption.CancelAsync();
        var last = (await training).Last;
        Assert.True(last.Status == RunStatus.Interrupted, $"the run is {last.Status}: {last.Failure?.Reason}");
        var reference = ReferenceOf(file, last.CommittedSteps);
        var told = await Answer(() => grains.GetGrain<ICoordinatorGrain>(plan.Run).Watch(0, 0));
        Assert.Equal(reference.Steps, told!.NewLosses);
        Assert.Equal(
            reference.WeightsSha256,
            WeightsHash.Sha256((await Parameters(last)).Select(l => (l.Weights, l.Biases)))
        );
        return last;
    }

    /// <summary>What one loop makes of the first steps of a run.</summary>
    public static TrainingResult ReferenceOf(RunFile file, int steps)
    {
        var spec = file.Spec with { Training = file.Spec.Training with { Epochs = steps } };
        return ReferenceTrainer.Train(spec, Planner.Load(file));
    }

    public async ValueTask DisposeAsync()
    {
        await interruption.CancelAsync();
        await ((Task)training).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        interruption.Dispose();
    }

    private async Task<IEnumerable<LayerParameters>> Parameters(RunProgress last)
    {
        var key = new MessageKey(
            plan.Fingerprint,
            last.Term,
            last.CommittedSteps,
            Phase.Evaluate,
            0,
            ActorId.Coordinator,
            default
        );
        var shards = new Dictionary<ShardRange, ShardParameters>();
        foreach (var shard in Enumerable.Range(1, plan.Depth).SelectMany(layer => plan.ShardsOf(layer)))
        {
            var silo = last.Placement!.SiloOf(plan.OrdinalOf(ActorId.Shard(shard.Layer, shard.Index)));
            shards[shard] =
                await Answer(() => grains.ShardOn(plan.Run, shard, silo).Read(key, 0, shard.Units))
                ?? throw new InvalidOperationException($"{shard} does not have version {last.CommittedSteps}");
        }

        return ParametersAssembly.Assemble(plan, shard => shards[shard]);
    }

    // A question that went by way of a silo that was frozen or lost just then is never answered, and Orleans would wait
    // for half a minute.
    private static async Task<T> Answer<T>(Func<ValueTask<T>> ask)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await ask().AsTask().WaitAsync(AnswerBound);
            }
            catch (Exception e) when (e is TimeoutException or OrleansException && attempt < 5)
            {
                // The next one goes another way.
            }
        }
    }
}
