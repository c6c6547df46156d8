using System.Collections.Immutable;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Protocol;

/// <summary>The scores of a run so far. What is computed again must come out as it did before.</summary>
internal sealed class MetricsHistory
{
    private readonly List<BatchMetrics> losses = [];
    private readonly List<EvaluationMetrics> evaluations = [];

    public IReadOnlyList<BatchMetrics> Losses => losses;
    public IReadOnlyList<EvaluationMetrics> Evaluations => evaluations;

    /// <summary>Steps that were entered again.</summary>
    public int Replayed { get; private set; }

    /// <summary>Enters a step's score.</summary>
    /// <returns>What contradicts an earlier entry; <see langword="null"/> if nothing does.</returns>
    public string? EnterStep(int step, BatchMetrics score)
    {
        if (step <= losses.Count)
            Replayed++;
        return Enter(losses, step - 1, score, (a, b) => SameBits(a, b), $"the loss of step {step}", s => s.Loss);
    }

    /// <summary>Enters an evaluation's score.</summary>
    public string? EnterEvaluation(EvaluationMetrics score)
    {
        var index = IndexOf(score.Version);
        return Enter(
            evaluations,
            index < 0 ? evaluations.Count : index,
            score,
            (a, b) => SameBits(a.Score, b.Score),
            $"the evaluation of version {score.Version}",
            e => e.Score.Loss
        );
    }

    /// <summary>The score of an evaluated version; <see langword="null"/> if it was not evaluated.</summary>
    public BatchMetrics? EvaluationOf(int version) =>
        IndexOf(version) is >= 0 and var index ? evaluations[index].Score : null;

    // From the end, where it is looked for: a run that evaluates each step would else search a longer list at each.
    private int IndexOf(int version)
    {
        var index = evaluations.Count - 1;
        while (index >= 0 && evaluations[index].Version > version)
            index--;
        return index >= 0 && evaluations[index].Version == version ? index : -1;
    }

    /// <summary>Takes over what a checkpoint says; what is known of the same steps must agree.</summary>
    public string? Enter(Checkpoint checkpoint)
    {
        string? contradiction = null;
        for (var s = 0; s < checkpoint.Losses.Length; s++)
            contradiction ??= Enter(
                losses,
                s,
                checkpoint.Losses[s],
                SameBits,
                $"the loss of step {s + 1}",
                score => score.Loss
            );
        // The next step's loss would have no place.
        if (losses.Count < checkpoint.Version)
            contradiction ??= $"the checkpoint of step {checkpoint.Version} holds {losses.Count} losses";
        foreach (var evaluation in checkpoint.Evaluations)
            contradiction ??= EnterEvaluation(evaluation);
        return contradiction;
    }

    /// <summary>All scores up to a version, with the parts that hold it and the silos that leave.</summary>
    public Checkpoint Until(
        int version,
        Granularity granularity,
        ImmutableArray<string> parts,
        ImmutableArray<string> leaving
    ) =>
        new(
            version,
            granularity,
            parts,
            [.. losses.Take(version)],
            [.. evaluations.Where(e => e.Version <= version)],
            leaving
        );

    private static string? Enter<T>(
        List<T> known,
        int index,
        T score,
        Func<T, T, bool> same,
        string what,
        Func<T, double> loss
    )
    {
        if (index == known.Count)
            known.Add(score);
        else if (!same(known[index], score))
            return $"{what} was {loss(known[index]):R} before and {loss(score):R} when computed again";
        return null;
    }

    private static bool SameBits(BatchMetrics a, BatchMetrics b) =>
        BitConverter.DoubleToInt64Bits(a.Loss) == BitConverter.DoubleToInt64Bits(b.Loss)
        && a.Correct == b.Correct
        && a.Rows == b.Rows;
}
