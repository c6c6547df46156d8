using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout.Generators;

/// <summary>GPipe over several stages a rank: a stage takes all microbatches before the next stage takes one.</summary>
/// <remarks>J. Lamy-Poirier, "Breadth-First Pipeline Parallelism", 2022. Stage s is on rank s mod p.
/// <code>
/// rank r:  idle r          for each own stage upwards:   F₀ … F₍ₘ₋₁₎
///          idle 2(p−1−r)   for each own stage downwards: B₍ₘ₋₁₎ … B₀
/// </code>
/// Backwards come in falling order of microbatches, in no other schedule.</remarks>
internal sealed class LoopedBfs : ScheduleGenerator
{
    public override string Name => "looped_bfs";

    public override string Summary => "GPipe over several stages a rank, stage by stage; backwards in falling order";

    public override string Sizes => "any stages a rank, any microbatches";

    public override string Source => "Lamy-Poirier 2022, arXiv:2211.05953";

    public override int StandardStagesPerRank => 2;

    protected override string? Refuse(ScheduleShape shape) => null;

    protected override IEnumerable<ImmutableArray<ScheduleCell>> Build(ScheduleShape shape)
    {
        for (var rank = 0; rank < shape.Ranks; rank++)
        {
            var program = new RankBuilder();
            program.Idle(rank);
            for (var stage = rank; stage < shape.Stages; stage += shape.Ranks)
            for (var i = 0; i < shape.Microbatches; i++)
                program.Add(stage, ActionKind.Forward);
            program.Idle(2 * (shape.Ranks - 1 - rank));
            for (var stage = shape.Stages - shape.Ranks + rank; stage >= 0; stage -= shape.Ranks)
            for (var i = shape.Microbatches - 1; i >= 0; i--)
                program.Add(new StageAction(stage, ActionKind.FullBackward, i));
            yield return program.Program;
        }
    }
}
