using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout;

/// <summary>What each rank of a pipeline does, in order: one program a rank.</summary>
/// <remarks>It may come from a generator or from a file; only <see cref="Checking.ScheduleValidity"/> says whether it
/// is one.</remarks>
/// <param name="Programs">Index: the rank.</param>
public sealed record PipelineSchedule(ImmutableArray<ImmutableArray<ScheduleCell>> Programs)
{
    public int Ranks => Programs.Length;

    /// <summary>Whether sends, receives and what concerns whole stages stand in it.</summary>
    public bool IsLowered => Actions.Any(action => !action.IsCompute);

    /// <summary>All actions, rank by rank, in the order of the programs.</summary>
    public IEnumerable<StageAction> Actions => Programs.SelectMany(cells => cells.SelectMany(cell => cell.Parts));
}
