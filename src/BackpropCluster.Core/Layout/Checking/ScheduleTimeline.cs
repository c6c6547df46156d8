using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout.Checking;

/// <summary>How long actions take, in ticks of any length.</summary>
/// <param name="Forward">F.</param>
/// <param name="Input">I.</param>
/// <param name="Weight">W. B takes I and W together; an overlapped cell as long as its parts together.</param>
/// <param name="Link">From the end of an action to the arrival of its message at another rank.</param>
public sealed record ActionTimes(long Forward, long Input, long Weight, long Link)
{
    /// <summary>F = I = W = 1, B = 2, and messages take no time.</summary>
    public static ActionTimes Unit { get; } = new(1, 1, 1, 0);

    public long Of(ScheduleCell cell) => cell.Parts.Sum(part => Of(part.Kind));

    private long Of(ActionKind kind) =>
        kind switch
        {
            ActionKind.Forward => Forward,
            ActionKind.InputBackward => Input,
            ActionKind.WeightBackward => Weight,
            ActionKind.FullBackward => Input + Weight,
            _ => 0,
        };
}

/// <summary>When a cell runs.</summary>
/// <param name="Place">Where it stands and what it is.</param>
/// <param name="Start">In ticks from the start of the first action.</param>
/// <param name="End">In ticks; the cell occupies its rank up to here.</param>
public readonly record struct TimedCell(PlacedCell Place, long Start, long End);

/// <summary>One rank's time.</summary>
/// <param name="Busy">Ticks in which it computes.</param>
/// <param name="Span">Ticks from its own first start to its own last end.</param>
public readonly record struct RankTime(long Busy, long Span);

/// <summary>A step in virtual time: every action starts as soon as its rank is free and its inputs have come.</summary>
/// <remarks>There are two rulers for a bubble, and they can differ: the makespan, from the first start to the last end
/// of all ranks, and a rank's own span. ZBV has no idle tick inside of a rank's span and still some of the
/// makespan.</remarks>
public sealed class ScheduleTimeline
{
    private ScheduleTimeline(ImmutableArray<TimedCell> cells, int ranks)
    {
        Cells = cells;
        var times = new RankTime[ranks];
        foreach (var rank in cells.GroupBy(cell => cell.Place.Rank))
            times[rank.Key] = new RankTime(
                rank.Sum(cell => cell.End - cell.Start),
                rank.Max(cell => cell.End) - rank.Min(cell => cell.Start)
            );
        (Ranks, Makespan) = ([.. times], cells.Max(cell => cell.End));
    }

    /// <summary>Rank by rank, in the order of the programs.</summary>
    public ImmutableArray<TimedCell> Cells { get; }

    /// <summary>T, in ticks.</summary>
    public long Makespan { get; }

    /// <summary>Index: the rank.</summary>
    public ImmutableArray<RankTime> Ranks { get; }

    /// <summary>Share of the makespan, over all ranks, in which a rank does not compute; 0 for a step without
    /// time.</summary>
    public double IdleOfMakespan => Share(Ranks.Sum(rank => rank.Busy), Ranks.Length * Makespan);

    /// <summary>Share of the ranks' own spans in which they do not compute.</summary>
    public double IdleOfSpans => Share(Ranks.Sum(rank => rank.Busy), Ranks.Sum(rank => rank.Span));

    /// <summary>One rank's share of the makespan in which it does not compute.</summary>
    public double IdleOfMakespanAt(int rank) => Share(Ranks[rank].Busy, Makespan);

    /// <summary>One rank's share of its own span in which it does not compute.</summary>
    public double IdleOfSpanAt(int rank) => Share(Ranks[rank].Busy, Ranks[rank].Span);

    /// <param name="schedule">One in which every rank gets through with mailboxes of any size.</param>
    /// <param name="times">What takes how long.</param>
    public static ScheduleTimeline Of(PipelineSchedule schedule, ActionTimes times)
    {
        var graph = WaitGraph.Of(schedule, null);
        var cells = new TimedCell[graph.Cells.Length];
        foreach (var i in graph.Order)
        {
            var place = graph.Cells[i];
            var start = i > 0 && graph.Cells[i - 1].Rank == place.Rank ? cells[i - 1].End : 0;
            foreach (var input in graph.InputsOf(i))
                start = Math.Max(start, cells[input].End + (graph.Cells[input].Rank == place.Rank ? 0 : times.Link));
            cells[i] = new TimedCell(place, start, start + times.Of(place.Cell));
        }

        return new ScheduleTimeline([.. cells], schedule.Ranks);
    }

    private static double Share(long busy, long whole) => whole == 0 ? 0 : (double)(whole - busy) / whole;
}
