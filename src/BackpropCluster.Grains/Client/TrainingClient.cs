using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Silos;

namespace BackpropCluster.Grains.Client;

/// <summary>How a run ended.</summary>
/// <param name="Plan">The run as it was led.</param>
/// <param name="Last">What its coordinator said last.</param>
/// <param name="Result">The trained model; <see langword="null"/> if the run failed (<see cref="RunProgress.Failure"/>
/// says why) or was interrupted.</param>
/// <param name="Traffic">What its actors sent each other.</param>
public sealed record TrainingOutcome(RunPlan Plan, RunProgress Last, TrainingResult? Result, Traffic Traffic);

/// <summary>Starts a run in a cluster, follows it to its end and collects the parameters.</summary>
public static class TrainingClient
{
    // Shards that were about to be read are lost that many times only where something else is wrong.
    private const int Reads = 30;
    private const int ReadsAtOnce = 256;
    private const int ValuesInPiece = 1 << 20; // eight MiB
    private const int TraceLooks = 50;

    // A coordinator answers within a second. If its silo, or the one between, is gone, Orleans would wait for half a
    // minute. One that has to ask silos whether they can read the data takes longer, and is asked again meanwhile.
    private static readonly TimeSpan AnswerBound = TimeSpan.FromSeconds(3);

    /// <param name="grains">The cluster.</param>
    /// <param name="plan">The run.</param>
    /// <param name="deadline">How long a step may take without progress.</param>
    /// <param name="watch">Told of news several times a second.</param>
    /// <param name="runFile">The run file's text, for clients that come later.</param>
    /// <param name="patience">How long nobody may answer; two minutes where nothing is said.</param>
    /// <param name="cancellation">Interrupts the run: it is saved at the next step boundary, if it saves at
    /// all.</param>
    /// <exception cref="ClusterLostException">Nobody answered for that long.</exception>
    /// <exception cref="OperationCanceledException">Interrupted while nobody answered: the run is as its silos left
    /// it.</exception>
    public static async Task<TrainingOutcome> Train(
        IGrainFactory grains,
        RunPlan plan,
        TimeSpan deadline,
        Action<RunProgress>? watch = null,
        string runFile = "",
        Patience? patience = null,
        CancellationToken cancellation = default
    )
    {
        patience ??= new Patience(Patience.Usual);
        var coordinator = grains.GetGrain<ICoordinatorGrain>(plan.Run);
        var (log, totals) = (new RunLog(), new RunTotals());
        RunProgress? last = null;
        using var pause = new PeriodicTimer(TimeSpan.FromSeconds(1));
        for (var reads = 0; reads < Reads; )
        {
            try
            {
                log.ReadAgain();
                plan = await coordinator
                    .Start(plan, last?.Term ?? 0, deadline, runFile)
                    .AsTask()
                    .WaitAsync(AnswerBound, CancellationToken.None);
                await using var interruption = cancellation.UnsafeRegister(
                    _ => coordinator.Interrupt().AsTask().Ignore(),
                    null
                );
                var isLed = false;
                await foreach (var told in Follow(coordinator, log))
                {
                    patience.Heard();
                    isLed = true;
                    var progress = totals.Add(told);
                    if (progress.CommittedSteps > (last?.CommittedSteps ?? 0))
                        reads = 0;
                    last = progress;
                    watch?.Invoke(log.Take(progress));
                }

                if (last is { Status: RunStatus.Failed or RunStatus.Interrupted })
                    return new TrainingOutcome(plan, last, null, default);
                if (last is { Status: RunStatus.Completed })
                {
                    if (await Read(grains, plan, last) is { } parameters)
                    {
                        await FollowTraces(coordinator, log, watch);
                        return new TrainingOutcome(
                            plan,
                            last,
                            new TrainingResult(
                                ParametersAssembly.Assemble(plan, shard => parameters[shard]),
                                log.Losses,
                                log.Evaluations
                            ),
                            await Traffic(grains, plan, last)
                        );
                    }

                    reads++;
                }

                if (!isLed)
                    patience.Unheard(plan.Run, null, cancellation);
            }
            catch (Exception e) when (Patience.IsMeant(e))
            {
                // A silo is gone, the coordinator's or the one between: the next question finds another, or makes
                // another coordinator.
                patience.Unheard(plan.Run, e, cancellation);
            }

            await pause.WaitForNextTickAsync(CancellationToken.None);
        }

        throw new ClusterLostException(
            $"run {plan.Run}: the cluster lost its parameters {Reads} times before they were read. What was saved "
                + $"is kept. When the cluster is steady, go on with train --resume {plan.Run}."
        );
    }

    private static async IAsyncEnumerable<RunProgress> Follow(ICoordinatorGrain coordinator, RunLog log)
    {
        while (
            await coordinator.Watch(log.SeenLosses, log.SeenEvaluations, log.SeenTraces).AsTask().WaitAsync(AnswerBound)
                is { } progress
        )
        {
            yield return progress;
            if (progress is { IsOver: true, HasMore: false })
                yield break;
        }
    }

    // With the reading of the parameters the last step's update is applied, and told.
    private static async Task FollowTraces(ICoordinatorGrain coordinator, RunLog log, Action<RunProgress>? watch)
    {
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        for (var look = 0; look < TraceLooks; look++)
        {
            if (
                await coordinator
                    .Watch(log.SeenLosses, log.SeenEvaluations, log.SeenTraces)
                    .AsTask()
                    .WaitAsync(AnswerBound)
                is not { } progress
            )
                return;
            var news = log.Take(progress);
            if (!progress.NewTraces.IsEmpty)
                watch?.Invoke(news);
            if (progress.PendingTraces == 0)
                return;
            await pause.WaitForNextTickAsync(CancellationToken.None);
        }
    }

    private static async Task<Dictionary<ShardRange, ShardParameters>?> Read(
        IGrainFactory grains,
        RunPlan plan,
        RunProgress last
    )
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
        var parameters = new Dictionary<ShardRange, ShardParameters>();
        foreach (
            var chunk in Enumerable.Range(1, plan.Depth).SelectMany(layer => plan.ShardsOf(layer)).Chunk(ReadsAtOnce)
        )
        {
            var read = await Task.WhenAll(chunk.Select(shard => Read(grains, plan, shard, SiloOf(shard), key)));
            if (Array.Exists(read, shard => shard is null))
                return null;
            for (var i = 0; i < chunk.Length; i++)
                parameters.Add(chunk[i], read[i]!);
        }

        return parameters;

        string SiloOf(ShardRange shard) =>
            last.Placement!.SiloOf(plan.OrdinalOf(ActorId.Shard(shard.Layer, shard.Index)));
    }

    // Some units after the other: a wide layer in one shard is more than a message may hold.
    private static async Task<ShardParameters?> Read(
        IGrainFactory grains,
        RunPlan plan,
        ShardRange shard,
        string silo,
        MessageKey key
    )
    {
        var grain = grains.ShardOn(plan.Run, shard, silo);
        var units = Math.Max(1, ValuesInPiece / plan.Spec.Model.InputsOf(shard.Layer, plan.Features));
        var pieces = new List<ShardParameters>();
        for (var first = 0; first < shard.Units; first += units)
        {
            if (await grain.Read(key, first, Math.Min(units, shard.Units - first)) is not { } piece)
                return null;
            pieces.Add(piece);
        }

        return ShardParameters.Join(pieces);
    }

    private static async Task<Traffic> Traffic(IGrainFactory grains, RunPlan plan, RunProgress last)
    {
        var traffics = await Task.WhenAll(
            last.Placement!.Silos.Where(last.Placement.Uses)
                .Select(silo =>
                    grains.GetGrain<ISiloGrain>(ActorKeys.Silo(silo)).Traffic(plan.Run).AsTask().WaitAsync(AnswerBound)
                )
        );
        return traffics.Aggregate(default(Traffic), (sum, traffic) => sum + traffic);
    }
}
