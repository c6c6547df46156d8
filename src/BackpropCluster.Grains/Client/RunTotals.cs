using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.Grains.Client;

/// <summary>What a run cost in all, seen by a client: each coordinator counts for itself, and what it did not live to
/// tell follows from where the next one began.</summary>
internal sealed class RunTotals
{
    private RunProgress? last;
    private int recoveries;
    private int moves;
    private int replayed;
    private long stale;

    /// <summary>What a coordinator said, with everything that earlier ones had counted.</summary>
    public RunProgress Add(RunProgress progress)
    {
        // Before it has led, nobody knows where it begins.
        var hasLed = progress.Placement is not null;
        if (hasLed && last is { } before && before.Leader != progress.Leader)
        {
            // A new leader is a recovery too, but for one that took over at the very step that was saved for it.
            var again = Math.Max(0, before.CommittedSteps - progress.FirstVersion);
            (recoveries, moves, replayed, stale) = (
                recoveries + before.Recoveries + (again > 0 ? 1 : 0),
                moves + before.Moves + (again > 0 ? 0 : 1),
                replayed + before.ReplayedSteps + again,
                stale + before.StaleMessages
            );
        }

        if (hasLed)
            last = progress;
        return progress with
        {
            Recoveries = recoveries + progress.Recoveries,
            Moves = moves + progress.Moves,
            ReplayedSteps = replayed + progress.ReplayedSteps,
            StaleMessages = stale + progress.StaleMessages,
        };
    }
}
