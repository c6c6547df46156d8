using System.Collections.Immutable;
using System.Globalization;

namespace BackpropCluster.Core.Layout.Checking;

/// <summary>Which cell of a schedule waits for which others, under mailboxes without a bound or with credits.</summary>
/// <remarks>A rank starts a cell when the cell before it is done, all of its inputs have come, and there is room for
/// what it sends. A link is a pair of neighbouring stages on two ranks and a direction. With k credits it holds at most
/// k messages that the receiver's action has not taken, so that its j-th sender (from 0) waits for its (j−k)-th
/// receiver.
/// <code>
/// cell  ← the cell before it on its rank
/// F(s)  ← F(s−1)         B, I(s) ← B, I(s+1)            of the same microbatch
/// j-th sender of a link ← (j−k)-th receiver of it       each in the order of its own program
/// </code>
/// Nothing else can hold a rank up and nothing is decided while it runs, so the ranks get through, in whatever order
/// messages come, exactly if this graph has no circle.</remarks>
public sealed class WaitGraph
{
    private readonly ScheduleIndex index;
    private readonly int? credits;
    private readonly List<(int Cell, string Until)>[] waits;

    private WaitGraph(ScheduleIndex index, int? credits)
    {
        (this.index, this.credits) = (index, credits);
        waits = new List<(int, string)>[index.Cells.Length];
        for (var i = 0; i < waits.Length; i++)
            waits[i] = [];
        AddInputs();
        if (credits is { } k)
            AddRoom(k);
        Order = Sort();
    }

    /// <summary>Computing cells, rank by rank.</summary>
    public ImmutableArray<PlacedCell> Cells => index.Cells;

    /// <summary>How many microbatches a step has.</summary>
    public int Microbatches => index.Microbatches;

    /// <summary>Index: the stage.</summary>
    public ImmutableArray<int> RankOfStages => index.RankOf;

    /// <summary>Numbers of cells in an order in which they can run; those that never can are not in it.</summary>
    public ImmutableArray<int> Order { get; }

    /// <summary>Whether every rank gets through.</summary>
    public bool EveryRankGetsThrough => Order.Length == Cells.Length;

    /// <param name="schedule">One that <see cref="ScheduleValidity"/> has no objection to.</param>
    /// <param name="credits">k, from 1; <see langword="null"/> for mailboxes without a bound.</param>
    public static WaitGraph Of(PipelineSchedule schedule, int? credits) => new(new ScheduleIndex(schedule), credits);

    /// <summary>The fewest credits with which every rank gets through; <see langword="null"/> if no number
    /// does.</summary>
    /// <param name="schedule">One that <see cref="ScheduleValidity"/> has no objection to.</param>
    public static int? LeastCredits(PipelineSchedule schedule)
    {
        var index = new ScheduleIndex(schedule);
        // With as many as a link has messages nobody waits for room.
        var (fails, works) = (0, index.Microbatches);
        if (!new WaitGraph(index, works).EveryRankGetsThrough)
            return null;
        // More credits never hold anybody up, so halving finds the border.
        while (works - fails > 1)
        {
            var middle = (works + fails) / 2;
            if (new WaitGraph(index, middle).EveryRankGetsThrough)
                works = middle;
            else
                fails = middle;
        }

        return works;
    }

    /// <summary>The ranks that wait for each other, and their actions; <see langword="null"/> if all get
    /// through.</summary>
    public ScheduleRefusal? Refuse()
    {
        if (EveryRankGetsThrough)
            return null;
        var runs = new bool[Cells.Length];
        foreach (var cell in Order)
            runs[cell] = true;
        var heads = new Dictionary<int, RankWait>();
        for (var i = 0; i < Cells.Length; i++)
            if (!runs[i] && !heads.ContainsKey(Cells[i].Rank))
            {
                var (cell, until) = waits[i].Find(wait => !runs[wait.Cell]);
                heads.Add(
                    Cells[i].Rank,
                    new RankWait(Cells[i].Rank, Cells[i].Position, Cells[i].Cell.ToString(), Cells[cell].Rank, until)
                );
            }

        return WaitRing.Refuse(
            heads,
            credits is { } k
                ? string.Create(CultureInfo.InvariantCulture, $"with {k} credit{(k == 1 ? "" : "s")} a link")
                : "with mailboxes of any size"
        );
    }

    /// <summary>The numbers of the cells whose results a cell needs, without the one before it on its rank.</summary>
    public IEnumerable<int> InputsOf(int cell) =>
        Cells[cell].Cell.Parts.Select(part => index.InputOf(part)?.Cell).OfType<int>();

    private void AddInputs()
    {
        for (var i = 0; i < waits.Length; i++)
            foreach (var part in Cells[i].Cell.Parts)
                if (index.InputOf(part) is { } input)
                    waits[i].Add((input.Cell, $"run {input.Action}"));
    }

    private void AddRoom(int k)
    {
        // Senders and receivers of each link, in the order of their programs. The key is the receiving stage.
        var links = new Dictionary<(int Stage, bool IsForward), (List<int> Senders, List<(int, string)> Receivers)>();
        for (var i = 0; i < Cells.Length; i++)
            foreach (var part in Cells[i].Cell.Parts)
            {
                if (index.InputOf(part) is { } input && Cells[input.Cell].Rank != Cells[i].Rank)
                    Link(part.Stage, part).Receivers.Add((i, $"run {part}, which takes {input.Action}'s message"));
                var to = part.Kind == ActionKind.Forward ? part.Stage + 1 : part.Stage - 1;
                var sends = part.Kind == ActionKind.Forward || part.MakesDelta;
                if (sends && to >= 0 && to < index.Stages && index.RankOf[to] != Cells[i].Rank)
                    Link(to, part).Senders.Add(i);
            }

        foreach (var (senders, receivers) in links.Values)
            for (var j = k; j < senders.Count; j++)
                waits[senders[j]].Add(receivers[j - k]);

        (List<int> Senders, List<(int, string)> Receivers) Link(int stage, StageAction action)
        {
            var key = (stage, action.Kind == ActionKind.Forward);
            if (!links.TryGetValue(key, out var link))
                links.Add(key, link = ([], []));
            return link;
        }
    }

    // Kahn's algorithm: a cell comes when everything that it waits for has come.
    private ImmutableArray<int> Sort()
    {
        var open = new int[Cells.Length];
        var waiting = new List<int>[Cells.Length];
        for (var i = 0; i < waiting.Length; i++)
            waiting[i] = [];
        for (var i = 0; i < Cells.Length; i++)
        {
            open[i] = waits[i].Count;
            foreach (var (cell, _) in waits[i])
                waiting[cell].Add(i);
            if (i == 0 || Cells[i - 1].Rank != Cells[i].Rank)
                continue;
            open[i]++;
            waiting[i - 1].Add(i);
        }

        var order = ImmutableArray.CreateBuilder<int>(Cells.Length);
        order.AddRange(Enumerable.Range(0, Cells.Length).Where(cell => open[cell] == 0));
        for (var i = 0; i < order.Count; i++)
            foreach (var cell in waiting[order[i]])
                if (--open[cell] == 0)
                    order.Add(cell);
        return order.ToImmutable();
    }
}
