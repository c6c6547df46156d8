using System.Collections.Immutable;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Grains;

/// <summary>Scores that a client has seen of a run, also across coordinators: what a new one computes again must come
/// out as before.</summary>
internal sealed class RunLog
{
    private readonly List<BatchMetrics> losses = [];
    private readonly List<EvaluationMetrics> evaluations = [];

    /// <summary>How many scores of the present coordinator were taken.</summary>
    public int SeenLosses { get; private set; }
    public int SeenEvaluations { get; private set; }
    public int SeenTraces { get; private set; }

    public ImmutableArray<BatchMetrics> Losses => [.. losses];
    public ImmutableArray<EvaluationMetrics> Evaluations => [.. evaluations];

    /// <summary>Another coordinator has taken the run and begins to tell from the start.</summary>
    public void ReadAgain() => (SeenLosses, SeenEvaluations, SeenTraces) = (0, 0, 0);

    /// <summary>Takes what a coordinator told.</summary>
    /// <returns>The same with only those scores that no coordinator had told before, so that whoever watches hears of
    /// each step once.</returns>
    /// <exception cref="DivergenceException">A score differs from what an earlier coordinator reported for the same
    /// step.</exception>
    public RunProgress Take(RunProgress progress)
    {
        var (steps, evaluated) = (losses.Count, evaluations.Count);
        SeenTraces = progress.EarlierTraces + progress.NewTraces.Length;
        foreach (var score in progress.NewLosses)
            Take(losses, SeenLosses++, score, "step");
        foreach (var score in progress.NewEvaluations)
            Take(evaluations, SeenEvaluations++, score, "evaluation");
        return progress with { NewLosses = [.. losses.Skip(steps)], NewEvaluations = [.. evaluations.Skip(evaluated)] };
    }

    private static void Take<T>(List<T> known, int index, T score, string what)
        where T : IEquatable<T>
    {
        if (index == known.Count)
            known.Add(score);
        else if (!known[index].Equals(score))
            throw new DivergenceException(
                $"{what} {index + 1} scored {known[index]} before and {score} when computed again"
            );
    }
}
