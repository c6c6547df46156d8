using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout;

/// <summary>What each rank of a pipeline does, in order: one program a rank.</summary>
/// <remarks>It may come from a generator or from a file; only <see cref="ScheduleValidity"/> says whether it is
/// one.</remarks>
/// <param name="Programs">Index: the rank.</param>
public sealed record PipelineSchedule(ImmutableArray<ImmutableArray<ScheduleCell>> Programs)
{
    public int Ranks => Programs.Length;

    /// <summary>Whether sends, receives and what concerns whole stages stand in it.</summary>
    public bool IsLowered => Actions.Any(action => !action.IsCompute);

    /// <summary>All actions, rank by rank, in the order of the programs.</summary>
    public IEnumerable<StageAction> Actions => Programs.SelectMany(cells => cells.SelectMany(cell => cell.Parts));

    /// <summary>The same without idle cells and without everything that does not compute: what a rank's exchange runs,
    /// since grains send as soon as they have computed.</summary>
    public PipelineSchedule ComputeOnly() =>
        new([
            .. Programs.Select(cells =>
                cells.Where(cell => !cell.IsIdle && cell.Parts.All(part => part.IsCompute)).ToImmutableArray()
            ),
        ]);
}
