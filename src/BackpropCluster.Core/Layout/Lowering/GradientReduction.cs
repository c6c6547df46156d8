using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout.Lowering;

/// <summary>Has a stage's gradients summed over the replicas as soon as they are complete.</summary>
/// <remarks>After the cell with the m-th W or B of a stage comes its REDUCE_GRAD.</remarks>
internal static class GradientReduction
{
    public static ImmutableArray<ScheduleCell> Insert(ImmutableArray<ScheduleCell> program, int microbatches)
    {
        var result = ImmutableArray.CreateBuilder<ScheduleCell>();
        var complete = new Dictionary<int, int>();
        foreach (var cell in program)
        {
            result.Add(cell);
            foreach (var part in cell.Parts.Where(part => part.Releases))
                if ((complete[part.Stage] = complete.GetValueOrDefault(part.Stage) + 1) == microbatches)
                    result.Add(new ScheduleCell(new StageAction(part.Stage, ActionKind.ReduceGradient)));
        }

        return result.ToImmutable();
    }
}
