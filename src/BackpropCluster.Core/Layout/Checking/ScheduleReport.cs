using System.Collections.Immutable;
using BackpropCluster.Core.Layout.Lowering;

namespace BackpropCluster.Core.Layout.Checking;

/// <summary>Everything that can be said about a schedule before it runs.</summary>
public sealed record ScheduleReport
{
    /// <summary>Why it cannot run; <see langword="null"/> if it can. What else stands here is then known as far as the
    /// check came.</summary>
    public ScheduleRefusal? Refusal { get; init; }

    public required int Ranks { get; init; }

    /// <summary><see langword="null"/> if the actions are not those of a step.</summary>
    public int? Stages { get; private init; }

    public int? Microbatches { get; private init; }

    /// <summary>A step in virtual time; <see langword="null"/> if some rank never gets through.</summary>
    public ScheduleTimeline? Timeline { get; private init; }

    /// <summary>The most activations that each rank holds, in stages × microbatches.</summary>
    public ImmutableArray<int> PeakActivations { get; private init; } = [];

    /// <summary>The fewest messages that each link must be able to hold.</summary>
    public int? LeastCredits { get; private init; }

    /// <summary>Steps in PyTorch's simulator, of sends, receives and computing actions; <see langword="null"/> if there
    /// are overlapped cells or actions of whole stages, which that one does not know.</summary>
    public int? SimulatorSteps { get; private init; }

    /// <summary>Who waits for whom where a send ends only with its receive, as the file has them or as PyTorch would
    /// insert them; <see langword="null"/> if every rank gets through so too.</summary>
    public ScheduleRefusal? Rendezvous { get; private init; }

    /// <param name="schedule">Compute-only or lowered.</param>
    /// <param name="times">What takes how long.</param>
    /// <param name="credits">With how many it is to run; <see langword="null"/> for mailboxes of any size.</param>
    public static ScheduleReport Of(PipelineSchedule schedule, ActionTimes times, int? credits)
    {
        var report = new ScheduleReport { Ranks = schedule.Ranks };
        if (ScheduleValidity.Refuse(schedule) is { } invalid)
            return report with { Refusal = invalid };
        var index = new ScheduleIndex(schedule);
        report = report with
        {
            Stages = index.Stages,
            Microbatches = index.Microbatches,
            PeakActivations = ActivationLiveness.Peaks(schedule),
        };
        var refusal =
            WaitGraph.Of(schedule, null).Refuse()
            ?? (schedule.IsLowered ? TransferValidity.Refuse(schedule, index) : null);
        if (refusal is not null)
            return report with { Refusal = refusal };
        var lowered = schedule.IsLowered ? schedule : ScheduleLowering.Lower(schedule, LoweringForm.Transfers);
        var (steps, stuck) = StepSimulator.Run(lowered, index);
        if (stuck is not null)
            return report with { Refusal = stuck };
        return report with
        {
            Refusal = credits is null ? null : WaitGraph.Of(schedule, credits).Refuse(),
            Timeline = ScheduleTimeline.Of(schedule, times),
            LeastCredits = WaitGraph.LeastCredits(schedule),
            SimulatorSteps = IsKnownToPyTorchsSimulator(lowered) ? steps : null,
            Rendezvous = Checking.Rendezvous.Refuse(lowered, index),
        };
    }

    private static bool IsKnownToPyTorchsSimulator(PipelineSchedule lowered) =>
        lowered.Programs.All(cells => cells.All(cell => !cell.IsOverlap && !cell.Parts[0].IsOfStage));
}
