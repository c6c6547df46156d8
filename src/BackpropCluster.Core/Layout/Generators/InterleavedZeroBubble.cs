using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout.Generators;

/// <summary>Interleaved 1F1B whose backwards are split: I goes on at once, W fills what would be a bubble.</summary>
/// <remarks>P. Qi et al., "Zero Bubble Pipeline Parallelism", 2023; with one stage a rank it is their ZB-H1. Rounds as
/// in PyTorch's <c>ScheduleInterleavedZeroBubble</c>.
/// <code>
/// w = min((v−1)·mpr + (p−1−r), m·v)
/// rank r:  idle r   F × w   idle p−1−r   (F, I) until no F is left   I × w
///          from the (r+1)-th I on each is followed by the W that has waited longest; the rest of W at the end
/// </code>
/// Idle cells are then inserted wherever an F would stand in a step before the one after its input's.</remarks>
internal sealed class InterleavedZeroBubble : ScheduleGenerator
{
    public override string Name => "zb1p";

    public override string Summary => "interleaved 1F1B with split backwards; 1 stage a rank: ZB-H1";

    public override string Sizes => "any stages a rank, microbatches a multiple of max(1, ⌊microbatches/ranks⌋)";

    public override string Source => "Qi et al. 2023, arXiv:2401.10241";

    protected override string? Refuse(ScheduleShape shape) => LoopRounds.Refuse(shape);

    protected override IEnumerable<ImmutableArray<ScheduleCell>> Build(ScheduleShape shape) =>
        Delayed([.. Enumerable.Range(0, shape.Ranks).Select(rank => Program(shape, rank))]);

    private static ImmutableArray<ScheduleCell> Program(ScheduleShape shape, int rank)
    {
        var (program, rounds, last) = (new RankBuilder(), new LoopRounds(shape, rank), shape.Ranks - 1 - rank);
        var warmUp = Math.Min((shape.StagesPerRank - 1) * rounds.MicrobatchesPerRound + last, rounds.Operations);
        program.Idle(rank);
        for (var i = 0; i < warmUp; i++)
            program.Add(rounds.ForwardStage(i), ActionKind.Forward);
        if (warmUp > 0)
            program.Idle(last);
        for (var i = 0; i < rounds.Operations; i++)
        {
            if (warmUp + i < rounds.Operations)
                program.Add(rounds.ForwardStage(warmUp + i), ActionKind.Forward);
            program.Add(rounds.BackwardStage(i), ActionKind.InputBackward);
            if (i >= rank)
                program.AddOldestWeight();
        }

        program.AddPendingWeights();
        return program.Program;
    }

    // Step by step over all ranks: an F waits in idle cells until its input's F stands in an earlier step.
    private static IEnumerable<ImmutableArray<ScheduleCell>> Delayed(ImmutableArray<ScheduleCell>[] programs)
    {
        var delayed = programs.Select(_ => ImmutableArray.CreateBuilder<ScheduleCell>()).ToArray();
        var next = new int[programs.Length];
        var earlier = new HashSet<StageAction>();
        for (var isGoing = true; isGoing; )
        {
            isGoing = false;
            var now = new List<StageAction>();
            for (var rank = 0; rank < programs.Length; rank++)
            {
                if (next[rank] == programs[rank].Length)
                    continue;
                isGoing = true;
                var cell = programs[rank][next[rank]];
                if (
                    cell.Parts is [{ Kind: ActionKind.Forward, Stage: > 0 } f]
                    && !earlier.Contains(f with { Stage = f.Stage - 1 })
                )
                {
                    delayed[rank].Add(ScheduleCell.Idle);
                    continue;
                }

                delayed[rank].Add(cell);
                now.AddRange(cell.Parts);
                next[rank]++;
            }

            earlier.UnionWith(now);
        }

        return delayed.Select(cells => cells.ToImmutable());
    }
}
