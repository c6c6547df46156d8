using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout.Generators;

/// <summary>As soon as a backward can run, backwards and forwards take turns.</summary>
/// <remarks>D. Narayanan et al., "Memory-Efficient Pipeline-Parallel DNN Training", 2021 (PipeDream-Flush).
/// <code>rank r:  F × min(m, p−r)   (B, F) until no F is left   the remaining B</code>
/// So rank r holds the activations of at most p−r microbatches. This is the order in which PyTorch runs it; the one
/// that its listing prints lacks a forward on the last rank.</remarks>
internal sealed class OneForwardOneBackward : ScheduleGenerator
{
    public override string Name => "1f1b";

    public override string Summary => "forwards and backwards take turns; GPipe's time, at most p microbatches held";

    public override string Sizes => "1 stage a rank, microbatches ≥ ranks";

    public override string Source => "Narayanan et al. 2021, arXiv:2006.09503";

    protected override string? Refuse(ScheduleShape shape) =>
        RefuseStagesPerRank(shape, 1)
        ?? (
            shape.Microbatches >= shape.Ranks
                ? null
                : $"{shape.Microbatches} microbatches for {shape.Ranks} stages, expected at least {shape.Ranks}: the "
                    + $"first rank fills all stages before its first backward. Set microbatches to {shape.Ranks}"
        );

    protected override IEnumerable<ImmutableArray<ScheduleCell>> Build(ScheduleShape shape)
    {
        for (var rank = 0; rank < shape.Ranks; rank++)
        {
            var program = new RankBuilder();
            var warmUp = Math.Min(shape.Microbatches, shape.Ranks - rank);
            for (var i = 0; i < warmUp; i++)
                program.Add(rank, ActionKind.Forward);
            for (var i = 0; i < shape.Microbatches; i++)
            {
                program.Add(rank, ActionKind.FullBackward);
                if (warmUp + i < shape.Microbatches)
                    program.Add(rank, ActionKind.Forward);
            }

            yield return program.Program;
        }
    }
}
