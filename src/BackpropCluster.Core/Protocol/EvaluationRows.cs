using BackpropCluster.Core.Data;

namespace BackpropCluster.Core.Protocol;

/// <summary>Which rows an evaluation pass runs over, chunk by chunk, in file order.</summary>
public static class EvaluationRows
{
    /// <summary>Rows that travel together: enough to fill the kernels, few enough that a wide layer's array stays
    /// small.</summary>
    public const int ChunkRows = 256;

    public static RowSet Of(RunPlan plan, Dataset data) =>
        plan.Spec.Training.Evaluation == Evaluation.TestRowsEachEpoch ? data.Test : data.Training;

    /// <summary>All rows of the pass; 0 means that nothing is evaluated.</summary>
    public static int Count(RunPlan plan) =>
        plan.Spec.Training.Evaluation == Evaluation.TestRowsEachEpoch ? plan.TestRows : plan.TrainingRows;

    /// <summary>Whether a pass runs over them when a version is committed.</summary>
    public static bool AreDue(RunPlan plan, BatchOrder order, int version) =>
        Count(plan) > 0
        && (
            plan.Spec.Training.Evaluation == Evaluation.TestRowsEachEpoch
                ? order.EndsEpoch(version)
                : version == order.Steps
        );

    public static int Chunks(RunPlan plan) => (Count(plan) + ChunkRows - 1) / ChunkRows;

    public static int[] Chunk(RunPlan plan, int chunk)
    {
        var first = chunk * ChunkRows;
        return [.. Enumerable.Range(first, Math.Min(ChunkRows, Count(plan) - first))];
    }
}
