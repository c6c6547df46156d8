using System.Collections.Immutable;
using System.Globalization;

namespace BackpropCluster.Core.Layout.Generators;

/// <summary>Makes the programs of a named schedule for any size that its rule allows.</summary>
public abstract class ScheduleGenerator
{
    /// <summary>The most actions F of a schedule: more is a slip of the keyboard.</summary>
    private const long MaxForwards = 1_000_000;

    /// <summary>All of them, in the order in which they were invented.</summary>
    public static IReadOnlyList<ScheduleGenerator> All { get; } =
    [
        new GPipe(),
        new OneForwardOneBackward(),
        new Interleaved(),
        new LoopedBfs(),
        new InterleavedZeroBubble(),
        new ZeroBubbleV(),
        new DualPipeV(),
    ];

    /// <summary>As run files and commands call it.</summary>
    public abstract string Name { get; }

    /// <summary>What it does, in a few words.</summary>
    public abstract string Summary { get; }

    /// <summary>The sizes that it takes, for people.</summary>
    public abstract string Sizes { get; }

    /// <summary>Where its rule comes from.</summary>
    public abstract string Source { get; }

    /// <summary>Stages a rank if nobody says how many.</summary>
    public virtual int StandardStagesPerRank => 1;

    public static ScheduleGenerator? Find(string name) => All.FirstOrDefault(generator => generator.Name == name);

    /// <summary>The programs of all ranks.</summary>
    /// <exception cref="ScheduleException">The rule has none of that size; says the arithmetic and what would
    /// do.</exception>
    public PipelineSchedule Generate(ScheduleShape shape)
    {
        var reason =
            shape is { Ranks: < 1 } or { StagesPerRank: < 1 } or { Microbatches: < 1 }
                ? $"ranks, stages a rank and microbatches must be at least 1, got {shape}"
            : (long)shape.Ranks * shape.StagesPerRank > MaxForwards / shape.Microbatches
                ? $"{shape.Ranks} ranks × {shape.StagesPerRank} stages × {shape.Microbatches} microbatches are more "
                    + $"than {MaxForwards} forward actions. Use fewer"
            : Refuse(shape);
        return reason is null
            ? new PipelineSchedule([.. Build(shape)])
            : throw new ScheduleException(new ScheduleRefusal(null, null, null, $"{Name}: {reason}"));
    }

    /// <summary>Why the rule has no schedule of that size, and the nearest that it has; <see langword="null"/> if it
    /// has one.</summary>
    protected abstract string? Refuse(ScheduleShape shape);

    protected abstract IEnumerable<ImmutableArray<ScheduleCell>> Build(ScheduleShape shape);

    protected static string? RefuseStagesPerRank(ScheduleShape shape, int expected) =>
        shape.StagesPerRank == expected
            ? null
            : $"{shape.StagesPerRank} stages a rank, expected {expected}. Set stages per rank to {expected}";
}
