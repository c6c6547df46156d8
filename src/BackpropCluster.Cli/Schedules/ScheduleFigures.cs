using System.Globalization;
using BackpropCluster.Core.Layout;
using BackpropCluster.Core.Layout.Checking;

namespace BackpropCluster.Cli.Schedules;

/// <summary>What a schedule costs, as lines of at most sixty columns and as JSON.</summary>
internal static class ScheduleFigures
{
    /// <summary>The lines under a chart.</summary>
    public static IEnumerable<string> Lines(ScheduleReport report)
    {
        var timeline = report.Timeline!;
        yield return Text($"{report.Ranks} ranks, {report.Stages} stages, {report.Microbatches} microbatches");
        yield return Text($"makespan {timeline.Makespan}, idle {Percent(timeline.IdleOfMakespan)}; ")
            + Text($"in the ranks' spans {Percent(timeline.IdleOfSpans)}");
        yield return "rank     span  idle of makespan  idle of span  activations";
        for (var rank = 0; rank < report.Ranks; rank++)
            yield return Text(
                $"{rank, 4} {timeline.Ranks[rank].Span, 8} {Percent(timeline.IdleOfMakespanAt(rank)), 17} "
            ) + Text($"{Percent(timeline.IdleOfSpanAt(rank)), 13} {report.PeakActivations[rank], 12}");
        yield return Text($"credits: {report.LeastCredits} a link at least");
        yield return report.SimulatorSteps is { } steps
            ? Text($"PyTorch's simulator: {steps} steps")
            : "PyTorch's simulator: knows no overlap and no whole stages";
        yield return report.Rendezvous is { } waits ? $"without a buffer: {waits}" : "without a buffer: gets through";
    }

    /// <summary>What <c>schedule check --json</c> prints.</summary>
    public static object Checked(ScheduleReport report) =>
        new
        {
            valid = report.Refusal is null,
            ranks = report.Ranks,
            stages = report.Stages,
            microbatches = report.Microbatches,
            makespan = report.Timeline?.Makespan,
            rankSpans = report.Timeline?.Ranks.Select(rank => rank.Span),
            idleOfMakespan = report.Timeline?.IdleOfMakespan,
            idleOfSpans = report.Timeline?.IdleOfSpans,
            peakActivations = report.PeakActivations,
            leastCredits = report.LeastCredits,
            simulatorSteps = report.SimulatorSteps,
            rendezvous = Refusal(report.Rendezvous),
            refusal = Refusal(report.Refusal),
        };

    /// <summary>The same of a file whose text is none.</summary>
    public static object Unreadable(ScheduleRefusal refusal) =>
        new
        {
            valid = false,
            ranks = (int?)null,
            stages = (int?)null,
            microbatches = (int?)null,
            makespan = (long?)null,
            rankSpans = (long[]?)null,
            peakActivations = Array.Empty<int>(),
            leastCredits = (int?)null,
            refusal = Refusal(refusal),
        };

    /// <summary>What <c>schedule show --json</c> prints.</summary>
    public static object Shown(string schedule, ActionTimes times, ScheduleReport report) =>
        new
        {
            schedule,
            ranks = report.Ranks,
            stages = report.Stages,
            microbatches = report.Microbatches,
            times = new
            {
                f = times.Forward,
                i = times.Input,
                w = times.Weight,
                link = times.Link,
            },
            makespan = report.Timeline!.Makespan,
            idleOfMakespan = report.Timeline.IdleOfMakespan,
            idleOfSpans = report.Timeline.IdleOfSpans,
            rankSpans = report.Timeline.Ranks.Select(rank => rank.Span),
            rankBusy = report.Timeline.Ranks.Select(rank => rank.Busy),
            peakActivations = report.PeakActivations,
            leastCredits = report.LeastCredits,
            simulatorSteps = report.SimulatorSteps,
            rendezvous = Refusal(report.Rendezvous),
            actions = report.Timeline.Cells.Select(cell => new
            {
                rank = cell.Place.Rank,
                action = cell.Place.Cell.ToString(),
                start = cell.Start,
                end = cell.End,
            }),
        };

    private static object? Refusal(ScheduleRefusal? refusal) =>
        refusal is null
            ? null
            : new
            {
                rank = refusal.Rank,
                position = refusal.Position,
                action = refusal.Action,
                reason = refusal.Reason,
            };

    private static string Percent(double share) => (100 * share).ToString("0.00", CultureInfo.InvariantCulture) + " %";

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
