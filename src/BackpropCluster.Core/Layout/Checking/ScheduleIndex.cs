using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout.Checking;

/// <summary>A place of a schedule in which something is computed.</summary>
/// <param name="Rank">Whose program.</param>
/// <param name="Position">Which cell of it.</param>
/// <param name="Cell">What stands there.</param>
public readonly record struct PlacedCell(int Rank, int Position, ScheduleCell Cell);

/// <summary>Where everything of a valid schedule stands: its computing cells, numbered rank by rank.</summary>
internal sealed class ScheduleIndex
{
    private readonly int[] forwards;
    private readonly int[] deltas;

    /// <param name="schedule">One that <see cref="ScheduleValidity"/> has no objection to.</param>
    public ScheduleIndex(PipelineSchedule schedule)
    {
        RankOf = ScheduleValidity.RankOfStages(schedule);
        Microbatches = ScheduleValidity.Microbatches(schedule);
        Cells =
        [
            .. schedule.Programs.SelectMany(
                (cells, rank) =>
                    cells
                        .Select((cell, at) => new PlacedCell(rank, at, cell))
                        .Where(placed => placed.Cell.Parts.Any(part => part.IsCompute))
            ),
        ];
        (forwards, deltas) = (new int[Stages * Microbatches], new int[Stages * Microbatches]);
        for (var i = 0; i < Cells.Length; i++)
            foreach (var part in Cells[i].Cell.Parts)
                if (part.Kind == ActionKind.Forward)
                    forwards[Slot(part)] = i;
                else if (part.MakesDelta)
                    deltas[Slot(part)] = i;
    }

    /// <summary>Index: the stage.</summary>
    public ImmutableArray<int> RankOf { get; }

    public int Stages => RankOf.Length;

    public int Microbatches { get; }

    public ImmutableArray<PlacedCell> Cells { get; }

    /// <summary>The number of the cell that makes what an action needs from another stage; <see langword="null"/> if it
    /// needs nothing from there.</summary>
    public (int Cell, StageAction Action)? InputOf(StageAction action) =>
        action switch
        {
            { Kind: ActionKind.Forward, Stage: > 0 } => Maker(action, -1, forwards),
            { MakesDelta: true } when action.Stage < Stages - 1 => Maker(action, +1, deltas),
            _ => null,
        };

    private (int Cell, StageAction Action) Maker(StageAction action, int step, int[] makers)
    {
        var cell = makers[Slot(action with { Stage = action.Stage + step })];
        var maker = Cells[cell]
            .Cell.Parts.First(part =>
                part.Stage == action.Stage + step
                && part.Microbatch == action.Microbatch
                && (action.MakesDelta ? part.MakesDelta : part.Kind == ActionKind.Forward)
            );
        return (cell, maker);
    }

    private int Slot(StageAction action) => action.Stage * Microbatches + action.Microbatch;
}
