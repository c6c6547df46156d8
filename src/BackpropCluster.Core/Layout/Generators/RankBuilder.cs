using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout.Generators;

/// <summary>Writes one rank's program, and counts which microbatch comes next of each stage and kind.</summary>
internal sealed class RankBuilder
{
    private readonly ImmutableArray<ScheduleCell>.Builder cells = ImmutableArray.CreateBuilder<ScheduleCell>();
    private readonly Dictionary<(int Stage, ActionKind Kind), int> next = [];
    private readonly Queue<StageAction> pendingWeights = new();

    public ImmutableArray<ScheduleCell> Program => cells.ToImmutable();

    public void Idle(int count)
    {
        for (var i = 0; i < count; i++)
            cells.Add(ScheduleCell.Idle);
    }

    public void Add(StageAction action) => cells.Add(new ScheduleCell(action));

    /// <summary>The stage's next microbatch of that kind. An I leaves a W pending.</summary>
    public void Add(int stage, ActionKind kind) => Add(Next(stage, kind));

    /// <summary>The next forward of one stage and the next full backward of another as one action.</summary>
    public void Overlap(int forward, int backward) =>
        cells.Add(new ScheduleCell([Next(forward, ActionKind.Forward), Next(backward, ActionKind.FullBackward)]));

    /// <summary>How many of that kind the stage has so far.</summary>
    public int Count(int stage, ActionKind kind) => next.GetValueOrDefault((stage, Counted(kind)));

    /// <summary>The W of the I that has waited longest.</summary>
    public void AddOldestWeight()
    {
        if (pendingWeights.TryDequeue(out var weight))
            Add(weight);
    }

    /// <summary>The Ws of all Is that wait.</summary>
    public void AddPendingWeights()
    {
        while (pendingWeights.Count > 0)
            AddOldestWeight();
    }

    // A microbatch has either B or I, so both count the same ones.
    private static ActionKind Counted(ActionKind kind) =>
        kind == ActionKind.FullBackward ? ActionKind.InputBackward : kind;

    private StageAction Next(int stage, ActionKind kind)
    {
        var microbatch = Count(stage, kind);
        next[(stage, Counted(kind))] = microbatch + 1;
        if (kind == ActionKind.InputBackward)
            pendingWeights.Enqueue(new StageAction(stage, ActionKind.WeightBackward, microbatch));
        return new StageAction(stage, kind, microbatch);
    }
}
