using System.Collections.Immutable;
using BackpropCluster.Core.Layout;
using BackpropCluster.Core.Layout.Checking;
using BackpropCluster.Core.Layout.Lowering;
using CsCheck;

namespace BackpropCluster.Tests.Layout;

/// <summary>Ranks that would wait for each other for ever are found before they do, and named.</summary>
public sealed class ScheduleCheckTests
{
    [Fact]
    public void PyTorchsListingOf1F1BIsRefusedAtRank3()
    {
        var report = Check(GoldenTables.Csv(GoldenTables.WrongOneForwardOneBackward));
        Assert.Equal((3, 4, "3B0"), (report.Refusal!.Rank, report.Refusal.Position, report.Refusal.Action));
        Assert.Equal("rank 3, position 4: 3B0 has no 3F0 before it, expected the forward first", $"{report.Refusal}");
    }

    /// <summary>Each rank wants the other's δ before it makes its own forward.</summary>
    [Fact]
    public void ACircleUnderMailboxesOfAnySizeNamesBothRanks() =>
        Assert.Equal(
            "rank 0, position 1: 0B0 waits for rank 1 to run 1B0, and rank 1 at 1F1 waits for rank 0 to run 0F1: with "
                + "mailboxes of any size nobody of them can go on",
            $"{Check("0F0,0B0,0F1,0B1\n1F1,1F0,1B0,1B1\n").Refusal}"
        );

    [Fact]
    public void ARankThatWaitsForItselfIsNamed() =>
        Assert.Equal(
            "rank 0, position 0: 1F0 waits for rank 0 to run 0F0: with mailboxes of any size nobody of them can go on",
            $"{Check("1F0,0F0,1B0,0B0\n").Refusal}"
        );

    [
        Theory,
        InlineData(
            "looped_bfs",
            2,
            4,
            "rank 0, position 2: 0F2 waits for rank 1 to run 1F1, which takes 0F1's message, and rank 1 at 1F1 waits "
                + "for rank 0 to run 2F0, which takes 1F0's message: with 1 credit a link nobody of them can go on"
        ),
        InlineData("zb1p", 4, 8, "with 1 credit a link nobody of them can go on")
    ]
    public void OneCreditIsRefusedWhereTwoAreNeeded(string name, int ranks, int microbatches, string says)
    {
        var schedule = GoldenTables.Generate(name, ranks, 2, microbatches);
        var refusal = ScheduleReport.Of(schedule, ActionTimes.Unit, 1).Refusal;
        Assert.EndsWith(says, refusal!.ToString(), StringComparison.Ordinal);
        Assert.Contains(" waits for rank ", refusal.Reason, StringComparison.Ordinal);
        Assert.Null(ScheduleReport.Of(schedule, ActionTimes.Unit, 2).Refusal);
    }

    /// <summary>Random programs, whether they are good for anything or not: "safe with k credits" is what a run
    /// finds.</summary>
    [Fact]
    public void SafeMeansThatTheRunEnds()
    {
        var (safe, stuck) = (0, 0);
        RandomPrograms()
            .Sample(
                sample =>
                {
                    foreach (var credits in new[] { 1, 2, 3 })
                    {
                        var ends = NaiveRun.Ends(sample.Schedule, sample.RankOf, credits, 0);
                        if (ends != NaiveRun.Ends(sample.Schedule, sample.RankOf, credits, sample.Schedule.Ranks - 1))
                            return false;
                        var refusal = WaitGraph.Of(sample.Schedule, credits).Refuse();
                        if (ends != refusal is null)
                            return false;
                        if (ends)
                            safe++;
                        else
                            stuck++;
                    }

                    var least = WaitGraph.LeastCredits(sample.Schedule);
                    var found = Enumerable
                        .Range(1, 6)
                        .Where(k => NaiveRun.Ends(sample.Schedule, sample.RankOf, k, 0))
                        .Select(k => (int?)k)
                        .FirstOrDefault();
                    return least == found;
                },
                iter: 3000,
                threads: 1
            );
        Assert.True(safe > 300 && stuck > 300, $"{safe} ended and {stuck} did not: no test of both");
    }

    [Fact]
    public void LeastCreditsOfEverySizeAreWhatARunNeeds()
    {
        foreach (var (generator, shape) in ScheduleGeneratorTests.Allowed().Where(s => s.Shape.Ranks <= 5))
        {
            var schedule = WithoutIdle(generator.Generate(shape));
            var rankOf = ScheduleValidity.RankOfStages(schedule).ToArray();
            var least = WaitGraph.LeastCredits(schedule)!.Value;
            Assert.True(NaiveRun.Ends(schedule, rankOf, least, 0), $"{generator.Name} {shape} with {least}");
            Assert.False(least > 1 && NaiveRun.Ends(schedule, rankOf, least - 1, 0), $"{generator.Name} {shape}");
        }
    }

    [Fact]
    public void BlockingSendsOnBothSidesAreNamed()
    {
        var report = Check(
            "0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n"
                + "1RECV_F0,1F0,1B0,1SEND_B0,1RECV_F1,1F1,1B1,1SEND_B1\n"
        );
        Assert.Null(report.Refusal);
        Assert.Equal(
            "rank 0, position 3: 0SEND_F1 waits for rank 1 to come to 1RECV_F1, and rank 1 at 1SEND_B0 waits for rank "
                + "0 to come to 0RECV_B0: without a buffer nobody of them can go on",
            $"{report.Rendezvous}"
        );
    }

    [
        Theory,
        InlineData("0F0,0RECV_B0,0SEND_F0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n", 0, 1, "0RECV_B0 waits for rank 1 to come"),
        InlineData(
            "0F0,0SEND_F0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n",
            0,
            2,
            "0B0 comes before its input, expected 0RECV_B0"
        ),
        InlineData("0F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n", 0, null, "0SEND_F0 is missing"),
        InlineData("0F0,0SEND_F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n", 0, 2, "0SEND_F0 is there twice"),
        InlineData("0SEND_F0,0F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n", 0, 0, "0SEND_F0 has no 0F0 before it"),
        InlineData("0F0,0SEND_F0,0RECV_B0,0B0,0SEND_B0\n1RECV_F0,1F0,1B0,1SEND_B0\n", 0, 4, "0SEND_B0 moves nothing"),
        InlineData("0F0,0SEND_F0,0RECV_B0,0B0,1RECV_F0\n1RECV_F0,1F0,1B0,1SEND_B0\n", 0, 4, "stage 1 is on rank 1"),
        InlineData("0F0,0SEND_F0,0RECV_B0,0B0,5UNSHARD\n1RECV_F0,1F0,1B0,1SEND_B0\n", 0, 4, "a stage that the rank"),
        InlineData("0F0,0UNSHARD,0B0\n", 0, 0, "stage 0 is not gathered, expected 0UNSHARD before 0F0"),
        InlineData("0UNSHARD,0UNSHARD,0F0,0B0\n", 0, 1, "stage 0 is gathered already"),
        InlineData("0UNSHARD,0F0,0B0,0RESHARD,0RESHARD\n", 0, 4, "stage 0 is not gathered"),
        InlineData("0F0,0REDUCE_GRAD,0B0\n", 0, 1, "0REDUCE_GRAD comes after 0 of 1 gradients"),
        InlineData("0F0,0B0,0REDUCE_GRAD,0REDUCE_GRAD\n", 0, 3, "0REDUCE_GRAD is there twice")
    ]
    public void ABadLoweredFileIsRefusedAtItsPlace(string text, int rank, int? position, string says)
    {
        var refusal = Check(text).Refusal;
        Assert.Equal((rank, position), (refusal!.Rank!.Value, refusal.Position));
        Assert.Contains(says, refusal.Reason, StringComparison.Ordinal);
    }

    private static ScheduleReport Check(string text) =>
        ScheduleReport.Of(ScheduleText.Read(text), ActionTimes.Unit, null);

    private static PipelineSchedule WithoutIdle(PipelineSchedule schedule) =>
        new([.. schedule.Programs.Select(cells => cells.Where(cell => !cell.IsIdle).ToImmutableArray())]);

    // Valid ones: each rank's actions in random order, but F before B or I, and I before W.
    private static Gen<(PipelineSchedule Schedule, int[] RankOf)> RandomPrograms() =>
        Gen.Select(Gen.Int[1, 4], Gen.Int[1, 2], Gen.Int[1, 4], Gen.Int[0, 1], Gen.ULong)
            .Select(
                (ranks, perRank, microbatches, zigzag, seed) =>
                {
                    var random = new Random((int)(seed % int.MaxValue));
                    var rankOf = Enumerable
                        .Range(0, ranks * perRank)
                        .Select(s => zigzag == 1 && s / ranks % 2 == 1 ? ranks - 1 - s % ranks : s % ranks)
                        .ToArray();
                    var programs = Enumerable
                        .Range(0, ranks)
                        .Select(rank => Program(rank, rankOf, microbatches, random))
                        .ToImmutableArray();
                    return (new PipelineSchedule(programs), rankOf);
                }
            );

    private static ImmutableArray<ScheduleCell> Program(int rank, int[] rankOf, int microbatches, Random random)
    {
        var open = new List<Queue<StageAction>>();
        for (var stage = 0; stage < rankOf.Length; stage++)
        for (var i = 0; i < microbatches && rankOf[stage] == rank; i++)
        {
            ActionKind[] kinds =
                random.Next(2) == 0
                    ? [ActionKind.Forward, ActionKind.FullBackward]
                    : [ActionKind.Forward, ActionKind.InputBackward, ActionKind.WeightBackward];
            open.Add(new Queue<StageAction>(kinds.Select(kind => new StageAction(stage, kind, i))));
        }

        var cells = ImmutableArray.CreateBuilder<ScheduleCell>();
        while (open.Count > 0)
        {
            // Mostly the oldest, or hardly any program of four ranks would end.
            var parts = new List<StageAction>();
            do
            {
                var chosen = random.Next(4) > 0 ? 0 : random.Next(open.Count);
                parts.Add(open[chosen].Dequeue());
                var rest = open[chosen];
                open.RemoveAt(chosen);
                if (rest.Count > 0)
                    open.Insert(Math.Min(open.Count, random.Next(4)), rest);
            } while (open.Count > 0 && random.Next(8) == 0 && parts.Count < 2);
            cells.Add(new ScheduleCell([.. parts]));
        }

        return cells.ToImmutable();
    }
}
