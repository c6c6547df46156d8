using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout.Checking;

/// <summary>How many stages' activations a rank holds at once.</summary>
/// <remarks>A stage's activations of a microbatch live from F to the action that lets them go, both included: B, or W
/// where the backward is split, since I keeps what W needs. Parts of an overlapped cell share one position. The order
/// of the program alone decides, so the peak holds for any times.</remarks>
public static class ActivationLiveness
{
    /// <summary>The most that each rank holds, in stages × microbatches.</summary>
    public static ImmutableArray<int> Peaks(PipelineSchedule schedule) => [.. schedule.Programs.Select(Peak)];

    private static int Peak(ImmutableArray<ScheduleCell> program)
    {
        var (live, peak) = (0, 0);
        foreach (var cell in program)
        {
            peak = Math.Max(peak, live += cell.Parts.Count(part => part.Kind == ActionKind.Forward));
            live -= cell.Parts.Count(part => part.Releases);
        }

        return peak;
    }
}
