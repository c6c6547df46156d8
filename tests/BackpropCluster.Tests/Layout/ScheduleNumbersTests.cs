using BackpropCluster.Core.Layout;
using BackpropCluster.Core.Layout.Checking;
using BackpropCluster.Core.Layout.Generators;

namespace BackpropCluster.Tests.Layout;

/// <summary>What a schedule costs: published formulas, and figures of PyTorch's listings that were taken
/// independently.</summary>
public sealed class ScheduleNumbersTests
{
    /// <summary>F = I = W = 1, B = 2, no link: makespan, longest span of a rank (if it is another), idle share of the
    /// makespan in percent, peak activations of each rank, steps in PyTorch's simulator (0: it does not know overlaps),
    /// least credits.</summary>
    [
        Theory,
        InlineData("gpipe", 4, 1, 4, 21, null, "42.86", "4,4,4,4", 42, 1),
        InlineData("gpipe", 4, 1, 8, 33, null, "27.27", "8,8,8,8", 66, 1),
        InlineData("1f1b", 4, 1, 4, 21, null, "42.86", "4,3,2,1", 33, 1),
        InlineData("1f1b", 4, 1, 8, 33, null, "27.27", "4,3,2,1", 61, 1),
        InlineData("interleaved_1f1b", 2, 2, 4, 27, null, "11.11", "5,3", 51, 1),
        InlineData("interleaved_1f1b", 4, 2, 8, 57, null, "15.79", "11,9,7,5", 149, 1),
        InlineData("looped_bfs", 2, 2, 4, 27, null, "11.11", "8,8", 51, 2),
        InlineData("looped_bfs", 4, 2, 8, 57, null, "15.79", "16,16,16,16", 149, 2),
        InlineData("zb1p", 4, 1, 8, 27, null, "11.11", "4,4,4,4", 71, 1),
        InlineData("zb1p", 2, 2, 4, 25, null, "4.00", "4,4", 57, 1),
        InlineData("zb1p", 2, 2, 8, 49, null, "2.04", "4,4", 113, 1),
        InlineData("zb1p", 4, 2, 8, 51, null, "5.88", "8,8,8,8", 152, 2),
        InlineData("zbv", 2, 2, 4, 25, 24, "4.00", "4,4", 47, 1),
        InlineData("zbv", 4, 2, 7, 45, 42, "6.67", "8,8,8,8", 116, 1),
        InlineData("zbv", 4, 2, 8, 51, 48, "5.88", "8,8,8,8", 132, 1),
        InlineData("dualpipe_v", 2, 2, 4, 26, null, "7.69", "5,5", 0, 1),
        InlineData("dualpipe_v", 4, 2, 8, 54, null, "11.11", "9,9,9,9", 0, 1),
        InlineData("dualpipe_v", 4, 2, 10, 66, null, "9.09", "9,9,9,9", 0, 1)
    ]
    public void TheFiguresOfTheListings(
        string name,
        int p,
        int v,
        int m,
        int makespan,
        int? span,
        string idle,
        string peaks,
        int steps,
        int credits
    )
    {
        var report = ScheduleReport.Of(GoldenTables.Generate(name, p, v, m), ActionTimes.Unit, null);
        Assert.Null(report.Refusal);
        Assert.Equal(
            (makespan, idle, peaks, steps == 0 ? (int?)null : steps, credits),
            (
                report.Timeline!.Makespan,
                $"{100 * report.Timeline.IdleOfMakespan:0.00}",
                string.Join(',', report.PeakActivations),
                report.SimulatorSteps,
                report.LeastCredits
            )
        );
        Assert.Equal(span ?? makespan, report.Timeline.Ranks.Max(rank => rank.Span));
        Assert.Null(report.Rendezvous);
    }

    /// <summary>T = (m+p−1)(f+b) for GPipe and 1F1B, T = m·v(f+b) + (p−1)(f+b) with v chunks.</summary>
    [Theory, InlineData("gpipe"), InlineData("1f1b"), InlineData("interleaved_1f1b"), InlineData("looped_bfs")]
    public void FullBackwardsTakeThePublishedTime(string name) =>
        Compare(
            name,
            s => s.Microbatches >= s.Ranks,
            [(1, 1, 1), (3, 2, 1), (2, 5, 4)],
            (s, f, i, w) => (s.Microbatches * s.StagesPerRank + s.Ranks - 1) * (f + i + w)
        );

    /// <summary>T = m·v(f+b) + (p−1)(f+i−w).</summary>
    [Fact]
    public void ZeroBubbleTakesThePublishedTime() =>
        Compare(
            "zb1p",
            s => s.Microbatches >= s.Ranks,
            [(1, 1, 1), (3, 3, 3)],
            (s, f, i, w) => s.Microbatches * s.StagesPerRank * (f + i + w) + (s.Ranks - 1) * (f + i - w)
        );

    /// <summary>T = 6m + p−1 for equal times, m ≥ 2p−1.</summary>
    [Fact]
    public void ZeroBubbleVTakesThePublishedTime() =>
        Compare(
            "zbv",
            s => s.Microbatches >= 2 * s.Ranks - 1,
            [(1, 1, 1), (4, 4, 4)],
            (s, f, _, _) => (6 * s.Microbatches + s.Ranks - 1) * f
        );

    /// <summary>T = 6m + (p−1)(F&amp;B + B − 3W): DeepSeek's formula, (PP/2−1)(F&amp;B+B−3W) with PP = 2p.</summary>
    [Fact]
    public void DualPipeVTakesThePublishedTime() =>
        Compare(
            "dualpipe_v",
            _ => true,
            [(1, 1, 1), (2, 2, 2)],
            (s, f, i, w) => 6 * s.Microbatches * f + (s.Ranks - 1) * (f + i + w + i + w - 3 * w)
        );

    /// <summary>In a rank's span ZBV has no idle tick, and 1F1B's memory: p stages of the whole model, 2p
    /// chunks.</summary>
    [Fact]
    public void ZeroBubbleVHasNoIdleTickInARanksSpan()
    {
        foreach (var (_, shape) in Sizes("zbv").Where(size => size.Shape.Microbatches >= 2 * size.Shape.Ranks - 1))
        {
            var report = ScheduleReport.Of(
                GoldenTables.Generate("zbv", shape.Ranks, 2, shape.Microbatches),
                ActionTimes.Unit,
                null
            );
            Assert.Equal(0, report.Timeline!.IdleOfSpans);
            Assert.All(report.PeakActivations, peak => Assert.Equal(2 * shape.Ranks, peak));
        }
    }

    /// <summary>A message of length l lengthens the way of the first microbatch there and back: p = 2, one microbatch,
    /// F, link, F, B, link, B.</summary>
    [Fact]
    public void ALinkDelaysWhatWaitsForIt()
    {
        var timeline = ScheduleTimeline.Of(GoldenTables.Generate("gpipe", 2, 1, 1), new ActionTimes(3, 2, 1, 10));
        Assert.Equal(3 + 10 + 3 + 3 + 10 + 3, timeline.Makespan);
        Assert.Equal([6, 6], timeline.Ranks.Select(rank => rank.Busy));
        Assert.Equal([32, 6], timeline.Ranks.Select(rank => rank.Span));
        Assert.Equal(26.0 / 32, timeline.IdleOfMakespanAt(1));
        Assert.Equal(0, timeline.IdleOfSpanAt(1));
    }

    private static void Compare(
        string name,
        Func<ScheduleShape, bool> holds,
        (int F, int I, int W)[] times,
        Func<ScheduleShape, int, int, int, int> formula
    )
    {
        var compared = 0;
        foreach (var (generator, shape) in Sizes(name).Where(size => holds(size.Shape)))
        foreach (var (f, i, w) in times)
        {
            var timeline = ScheduleTimeline.Of(generator.Generate(shape), new ActionTimes(f, i, w, 0));
            Assert.True(
                timeline.Makespan == formula(shape, f, i, w),
                $"{name} {shape} f={f} i={i} w={w}: {timeline.Makespan}, expected {formula(shape, f, i, w)}"
            );
            compared++;
        }

        Assert.True(compared > 150, $"only {compared} sizes were compared");
    }

    private static IEnumerable<(ScheduleGenerator Generator, ScheduleShape Shape)> Sizes(string name) =>
        ScheduleGeneratorTests.Allowed().Where(size => size.Generator.Name == name);
}
