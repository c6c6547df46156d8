using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout.Generators;

/// <summary>1F1B over several stages a rank.</summary>
/// <remarks>D. Narayanan et al., "Efficient Large-Scale Language Model Training on GPU Clusters Using Megatron-LM",
/// 2021, with the rounds of PyTorch's <c>ScheduleInterleaved1F1B</c>.
/// <code>
/// w = min((v−1)·mpr + 2(p−1−r), m·v)          mpr: microbatches a round
/// rank r:  idle r   F × w   idle v·p + 2(p−1−r) − w − r   (F, B) until no F is left   (idle, B) × w
/// </code></remarks>
internal sealed class Interleaved : ScheduleGenerator
{
    public override string Name => "interleaved_1f1b";

    public override string Summary => "1F1B over several stages a rank: the bubble shrinks by their number";

    public override string Sizes => "any stages a rank, microbatches a multiple of max(1, ⌊microbatches/ranks⌋)";

    public override string Source => "Narayanan et al. 2021, arXiv:2104.04473";

    public override int StandardStagesPerRank => 2;

    protected override string? Refuse(ScheduleShape shape) => LoopRounds.Refuse(shape);

    protected override IEnumerable<ImmutableArray<ScheduleCell>> Build(ScheduleShape shape)
    {
        for (var rank = 0; rank < shape.Ranks; rank++)
        {
            var (program, rounds, last) = (new RankBuilder(), new LoopRounds(shape, rank), shape.Ranks - 1 - rank);
            var warmUp = Math.Min(
                (shape.StagesPerRank - 1) * rounds.MicrobatchesPerRound + 2 * last,
                rounds.Operations
            );
            program.Idle(rank);
            for (var i = 0; i < warmUp; i++)
                program.Add(rounds.ForwardStage(i), ActionKind.Forward);
            if (warmUp > 0)
                program.Idle(shape.Stages + 2 * last - warmUp - rank);
            for (var i = 0; i < rounds.Operations; i++)
            {
                if (warmUp + i < rounds.Operations)
                    program.Add(rounds.ForwardStage(warmUp + i), ActionKind.Forward);
                else
                    program.Idle(1);
                program.Add(rounds.BackwardStage(i), ActionKind.FullBackward);
            }

            yield return program.Program;
        }
    }
}
