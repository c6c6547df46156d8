using System.Collections.Immutable;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.Grains.Client;

/// <summary>Metrics that a client has seen of a run, also across coordinators: what a new one computes again must come
/// out as before.</summary>
internal sealed class RunLog
{
    private readonly List<BatchMetrics> losses = [];
    private readonly List<EvaluationMetrics> evaluations = [];

    /// <summary>How many metrics of the present coordinator were taken.</summary>
    public int SeenLosses { get; private set; }
    public int SeenEvaluations { get; private set; }
    public int SeenTraces { get; private set; }

    public ImmutableArray<BatchMetrics> Losses => [.. losses];
    public ImmutableArray<EvaluationMetrics> Evaluations => [.. evaluations];

    /// <summary>Another coordinator has taken the run and begins to tell from the start.</summary>
    public void ReadAgain() => (SeenLosses, SeenEvaluations, SeenTraces) = (0, 0, 0);

    /// <summary>Takes what a coordinator told.</summary>
    /// <returns>The same with only those metrics that no coordinator had told before, so that whoever watches hears of
    /// each step once.</returns>
    /// <exception cref="DivergenceException">Metrics differ from what an earlier coordinator reported for the same
    /// step.</exception>
    public RunProgress Take(RunProgress progress)
    {
        var (steps, evaluated) = (losses.Count, evaluations.Count);
        SeenTraces = progress.EarlierTraces + progress.NewTraces.Length;
        foreach (var metrics in progress.NewLosses)
            Take(losses, SeenLosses++, metrics, "step");
        foreach (var metrics in progress.NewEvaluations)
            Take(evaluations, SeenEvaluations++, metrics, "evaluation");
        return progress with { NewLosses = [.. losses.Skip(steps)], NewEvaluations = [.. evaluations.Skip(evaluated)] };
    }

    private static void Take<T>(List<T> known, int index, T metrics, string what)
        where T : IEquatable<T>
    {
        if (index == known.Count)
            known.Add(metrics);
        else if (!known[index].Equals(metrics))
            throw new DivergenceException(
                $"{what} {index + 1} scored {known[index]} before and {metrics} when computed again"
            );
    }
}
