using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout.Generators;

/// <summary>A forward of one of the two stages overlaps a backward of the other, on a pipeline folded like a V: rank r
/// has stage a = r and stage c = 2p−1−r.</summary>
/// <remarks>DeepSeek-AI, "DeepSeek-V3 Technical Report", 2024 (DualPipe), cut in half by Sea AI Lab (DualPipeV).
/// <code>
/// rank r:  Fa × 2(p−1−r)   (Fa, Fc) × (r+1)   (Ic, W, Fc) × (p−1−r)
///          ((Fa;Bc), (Fc;Ba)) × (m−2p+r+1)            the very first (Fa;Bc) of rank p−1 is two actions
///          (Bc, (Fc;Ba)) × (p−1−r)
///          (c, a) × (r+1)                             backwards: B first, I from the middle on
///          (W, Ia) × (p−1−r)   W × (r+1)              W: the one that has waited longest
/// </code></remarks>
internal sealed class DualPipeV : ScheduleGenerator
{
    private const ActionKind F = ActionKind.Forward;
    private const ActionKind B = ActionKind.FullBackward;
    private const ActionKind I = ActionKind.InputBackward;

    public override string Name => "dualpipe_v";

    public override string Summary => "a forward overlaps a backward of the rank's other stage, folded pipeline";

    public override string Sizes => "2 stages a rank, microbatches ≥ 2·ranks";

    public override string Source => "DeepSeek-AI 2024, arXiv:2412.19437";

    public override int StandardStagesPerRank => 2;

    protected override string? Refuse(ScheduleShape shape) =>
        RefuseStagesPerRank(shape, 2)
        ?? (
            shape.Microbatches >= 2 * shape.Ranks
                ? null
                : $"{shape.Microbatches} microbatches for {shape.Ranks} ranks, expected at least 2·{shape.Ranks} = "
                    + $"{2 * shape.Ranks}: both ways through the fold are filled before the overlap begins. Set "
                    + $"microbatches to {2 * shape.Ranks}"
        );

    protected override IEnumerable<ImmutableArray<ScheduleCell>> Build(ScheduleShape shape) =>
        Enumerable.Range(0, shape.Ranks).Select(rank => Program(shape, rank));

    private static ImmutableArray<ScheduleCell> Program(ScheduleShape shape, int rank)
    {
        var (program, a, c, last) = (new RankBuilder(), rank, shape.Stages - 1 - rank, shape.Ranks - 1 - rank);
        FillBothStages(program, a, c, last, rank + 1);
        for (var i = 0; i < shape.Microbatches - 2 * shape.Ranks + rank + 1; i++)
        {
            if (i == 0 && last == 0)
            {
                program.Add(a, F);
                program.Add(c, B);
            }
            else
                program.Overlap(a, c);
            program.Overlap(c, a);
        }

        for (var i = 0; i < last; i++)
        {
            program.Add(c, B);
            program.Overlap(c, a);
        }

        Drain(program, a, c, rank);
        for (var i = 0; i < last; i++)
        {
            program.AddOldestWeight();
            program.Add(a, I);
        }

        program.AddPendingWeights();
        return program.Program;
    }

    private static void FillBothStages(RankBuilder program, int a, int c, int last, int pairs)
    {
        for (var i = 0; i < 2 * last; i++)
            program.Add(a, F);
        for (var i = 0; i < pairs; i++)
        {
            program.Add(a, F);
            program.Add(c, F);
        }

        for (var i = 0; i < last; i++)
        {
            program.Add(c, I);
            program.AddOldestWeight();
            program.Add(c, F);
        }
    }

    // The backwards that nobody waits for any more are split, so that their weights fill the end.
    private static void Drain(RankBuilder program, int a, int c, int rank)
    {
        var middle = (rank + 1) / 2;
        for (var i = 0; i <= rank; i++)
        {
            program.Add(c, i > middle || (i == middle && rank % 2 == 1) ? I : B);
            program.Add(a, i >= middle ? I : B);
        }
    }
}
