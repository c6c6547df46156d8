using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout.Generators;

/// <summary>Split backwards on a pipeline that is folded like a V: rank r has stage a = r and stage
/// c = 2p−1−r.</summary>
/// <remarks>P. Qi et al., "Pipeline Parallelism with Controllable Memory", 2024 (ZB-V of "Zero Bubble Pipeline
/// Parallelism"). The rule is for n = max(2p−1, m) microbatches; cells of those beyond m become idle.
/// <code>
/// rank r:  idle r   Fa × 2(p−r)−1   (Fc, Fa) × r   (Fc, Ic, Wc) × (p−r)
///          (Fa if any is left, Ia, Wa, Fc, Ic, Wc) while forwards remain
///          (Ia, Ic) × r   (Ia, Wa) × (p−r)   the pending Wc   the pending Wa
/// </code></remarks>
internal sealed class ZeroBubbleV : ScheduleGenerator
{
    private const ActionKind F = ActionKind.Forward;
    private const ActionKind I = ActionKind.InputBackward;
    private const ActionKind W = ActionKind.WeightBackward;

    public override string Name => "zbv";

    public override string Summary => "split backwards on a folded pipeline: no bubble inside of a rank's span";

    public override string Sizes => "2 stages a rank, any microbatches; full speed from 2·ranks−1 on";

    public override string Source => "Qi et al. 2024, arXiv:2405.15362";

    public override int StandardStagesPerRank => 2;

    protected override string? Refuse(ScheduleShape shape) => RefuseStagesPerRank(shape, 2);

    protected override IEnumerable<ImmutableArray<ScheduleCell>> Build(ScheduleShape shape) =>
        Enumerable
            .Range(0, shape.Ranks)
            .Select(rank =>
                Program(shape.Ranks, rank, Math.Max(2 * shape.Ranks - 1, shape.Microbatches))
                    .Select(cell => cell.Parts.Any(p => p.Microbatch >= shape.Microbatches) ? ScheduleCell.Idle : cell)
                    .ToImmutableArray()
            );

    private static ImmutableArray<ScheduleCell> Program(int ranks, int rank, int microbatches)
    {
        var (program, a, c) = (new RankBuilder(), rank, 2 * ranks - 1 - rank);
        program.Idle(rank);
        Repeat(2 * (ranks - rank) - 1, (a, F));
        Repeat(rank, (c, F), (a, F));
        Repeat(ranks - rank, (c, F), (c, I), (c, W));
        while (program.Count(c, F) < microbatches)
        {
            if (program.Count(a, F) < microbatches)
                program.Add(a, F);
            Repeat(1, (a, I), (a, W), (c, F), (c, I), (c, W));
        }

        Repeat(rank, (a, I), (c, I));
        Repeat(ranks - rank, (a, I), (a, W));
        Repeat(program.Count(c, I) - program.Count(c, W), (c, W));
        Repeat(program.Count(a, I) - program.Count(a, W), (a, W));
        return program.Program;

        void Repeat(int times, params ReadOnlySpan<(int Stage, ActionKind Kind)> actions)
        {
            for (var i = 0; i < times; i++)
                foreach (var (stage, kind) in actions)
                    program.Add(stage, kind);
        }
    }
}
