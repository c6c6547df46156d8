using System.Globalization;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>A run as its client is told of it, across coordinators.</summary>
internal sealed class Watched
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(45);
    private readonly Lock gate = new();
    private readonly List<string> history = [];
    private RunProgress? last;
    private string? coordinator;
    private int movesBefore;
    private TaskCompletionSource news = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Times that parts moved, told by all coordinators: each begins at zero.</summary>
    public int Moves => movesBefore + (last?.Moves ?? 0);

    /// <summary>The most that any coordinator told.</summary>
    public int Recoveries { get; private set; }

    /// <summary>The same, and what a new coordinator began before the last step that the one before it told.</summary>
    public int ReplayedSteps { get; private set; }

    /// <summary>What was told last.</summary>
    public RunProgress Last => last ?? throw new InvalidOperationException("nothing was told yet");

    public int CommittedSteps => last?.CommittedSteps ?? 0;

    public string CoordinatorSilo => coordinator ?? throw new InvalidOperationException("nobody leads the run yet");

    /// <summary>Each term as it was first told, and why the run recovered.</summary>
    public string History => string.Join("; ", history);

    public void Take(RunProgress progress)
    {
        lock (gate)
        {
            // Leading: a new coordinator knows nothing yet that could be told.
            if (progress.Placement is not { } placement)
                return;
            if (last is not null && coordinator != placement.CoordinatorSilo)
            {
                movesBefore += last.Moves;
                ReplayedSteps = Math.Max(ReplayedSteps, last.CommittedSteps - progress.FirstVersion);
            }

            if (progress.LastRecovery is { } recovery && recovery != last?.LastRecovery)
                history.Add($"recovered {recovery}");
            if (progress.Term != last?.Term)
                history.Add(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"term {progress.Term} from step {progress.CommittedSteps} on "
                            + $"{string.Join(' ', placement.Silos)}, {progress.Moves} moves"
                    )
                );
            (Recoveries, ReplayedSteps) = (
                Math.Max(Recoveries, progress.Recoveries),
                Math.Max(ReplayedSteps, progress.ReplayedSteps)
            );
            (last, coordinator) = (progress, placement.CoordinatorSilo);
            news.SetResult();
            news = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>Waits until the run has come to something.</summary>
    /// <param name="when">What.</param>
    /// <param name="awaited">The same in words.</param>
    /// <param name="training">The run's end, before which it must happen.</param>
    public async Task Until(Func<RunProgress, bool> when, string awaited, Task training)
    {
        using var bound = new CancellationTokenSource(Bound);
        while (true)
        {
            Task next;
            lock (gate)
            {
                if (last is not null && when(last))
                    return;
                next = news.Task;
            }

            if (training.IsCompleted)
                await training;
            Assert.False(training.IsCompleted, $"the run was over before {awaited}");
            Task either = Task.WhenAny(next, training);
            await either.WaitAsync(bound.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Assert.False(
                bound.IsCancellationRequested,
                $"within {Bound.TotalSeconds} s it did not come about that {awaited}; the run is {last?.Status} at "
                    + $"step {last?.CommittedSteps}"
            );
        }
    }
}
