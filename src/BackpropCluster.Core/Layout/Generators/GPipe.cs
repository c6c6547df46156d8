using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout.Generators;

/// <summary>All forwards, then all backwards.</summary>
/// <remarks>Y. Huang et al., "GPipe: Efficient Training of Giant Neural Networks using Pipeline Parallelism", 2019.
/// <code>rank r:  idle r   F₀ … F₍ₘ₋₁₎   idle 3(p−1−r)   B₀ … B₍ₘ₋₁₎</code>
/// An idle cell in the list stands for a step of F's length; B takes two.</remarks>
internal sealed class GPipe : ScheduleGenerator
{
    public override string Name => "gpipe";

    public override string Summary => "all forwards, then all backwards; keeps every microbatch's activations";

    public override string Sizes => "1 stage a rank, any microbatches";

    public override string Source => "Huang et al. 2019, arXiv:1811.06965";

    protected override string? Refuse(ScheduleShape shape) => RefuseStagesPerRank(shape, 1);

    protected override IEnumerable<ImmutableArray<ScheduleCell>> Build(ScheduleShape shape)
    {
        for (var rank = 0; rank < shape.Ranks; rank++)
        {
            var program = new RankBuilder();
            program.Idle(rank);
            for (var i = 0; i < shape.Microbatches; i++)
                program.Add(rank, ActionKind.Forward);
            program.Idle(3 * (shape.Ranks - 1 - rank));
            for (var i = 0; i < shape.Microbatches; i++)
                program.Add(rank, ActionKind.FullBackward);
            yield return program.Program;
        }
    }
}
