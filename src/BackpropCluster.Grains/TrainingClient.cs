using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using Orleans.Runtime;

namespace BackpropCluster.Grains;

/// <summary>How a run ended.</summary>
/// <param name="Last">What its coordinator said last.</param>
/// <param name="Result">The trained model; <see langword="null"/> if the run failed (<see cref="RunProgress.Failure"/> says why) or was interrupted.</param>
public sealed record TrainingOutcome(RunProgress Last, TrainingResult? Result);

/// <summary>Starts a run in a cluster, follows it to its end and collects the parameters.</summary>
public static class TrainingClient
{
    // Each attempt follows the loss of a coordinator or of a slice that was about to be read; nobody loses that many in one run.
    private const int Attempts = 5;
    private const int ReadsAtOnce = 256;

    /// <param name="grains">The cluster.</param>
    /// <param name="plan">The run.</param>
    /// <param name="deadline">How long a step may take without progress.</param>
    /// <param name="watch">Told of news several times a second.</param>
    /// <param name="cancellation">Interrupts the run: it is saved at the next step boundary, if it saves at all.</param>
    public static async Task<TrainingOutcome> Train(
        IGrainFactory grains, RunPlan plan, TimeSpan deadline, Action<RunProgress>? watch = null, CancellationToken cancellation = default)
    {
        var coordinator = grains.GetGrain<ICoordinatorGrain>(plan.Run);
        var log = new RunLog();
        RunProgress? last = null;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                log.ReadAgain();
                await coordinator.Start(plan, last?.Term ?? 0, deadline);
                await using var interruption = cancellation.UnsafeRegister(_ => coordinator.Interrupt().AsTask().Ignore(), null);
                await foreach (var progress in Follow(coordinator, log))
                {
                    last = progress;
                    log.Take(progress);
                    watch?.Invoke(progress);
                }

                if (last is { Status: RunStatus.Failed or RunStatus.Interrupted }) return new TrainingOutcome(last, null);
                if (last is { Status: RunStatus.Completed } && await Read(grains, plan, last) is { } parts)
                    return new TrainingOutcome(last, new TrainingResult(ParametersAssembly.Assemble(plan, slice => parts[slice]), log.Losses, log.Evaluations));
            }
            catch (Exception e) when (e is OrleansException or TimeoutException && attempt < Attempts)
            {
                // The coordinator's silo is going down: the next call finds, or makes, another coordinator.
            }

            if (attempt == Attempts) throw new ClusterLostException(plan.Run, Attempts);
        }
    }

    private static async IAsyncEnumerable<RunProgress> Follow(ICoordinatorGrain coordinator, RunLog log)
    {
        while (await coordinator.Watch(log.SeenLosses, log.SeenEvaluations) is { } progress)
        {
            yield return progress;
            if (progress.IsOver) yield break;
        }
    }

    private static async Task<Dictionary<SliceRange, SliceParameters>?> Read(IGrainFactory grains, RunPlan plan, RunProgress last)
    {
        var key = new MessageKey(plan.Fingerprint, last.Term, last.CommittedSteps, Phase.Evaluate, 0, PartId.Coordinator, default);
        var parts = new Dictionary<SliceRange, SliceParameters>();
        foreach (var chunk in Enumerable.Range(1, plan.Depth).SelectMany(layer => plan.SlicesOf(layer)).Chunk(ReadsAtOnce))
        {
            var read = await Task.WhenAll(chunk.Select(slice => grains.GetGrain<ISliceGrain>(PartKeys.Slice(plan.Run, slice)).Read(key).AsTask()));
            if (Array.Exists(read, part => part is null)) return null;
            for (var i = 0; i < chunk.Length; i++) parts.Add(chunk[i], read[i]!);
        }

        return parts;
    }
}

/// <summary>The cluster lost the run several times over.</summary>
public sealed class ClusterLostException(string run, int attempts)
    : Exception($"run {run}: the cluster lost its coordinator or its parameters {attempts} times. Nothing was saved. Start it again when the cluster is steady.");
