using System.Diagnostics;

namespace BackpropCluster.ClusterTests.Reliability;

/// <summary>The longest time that a run committed no new step; as its client saw it.</summary>
internal sealed class Pace : IAsyncDisposable
{
    private readonly CancellationTokenSource end = new();
    private readonly Task looking;
    private readonly Lock gate = new();
    private int highest;
    private long since = Stopwatch.GetTimestamp();
    private TimeSpan longest;

    /// <param name="steps">The steps committed so far.</param>
    public Pace(Func<int> steps) => looking = Look(steps);

    /// <summary>The longest silence, the one that lasts now too.</summary>
    public TimeSpan Longest
    {
        get
        {
            lock (gate)
                return Max(longest, Stopwatch.GetElapsedTime(since));
        }
    }

    /// <summary>The most steps that were ever committed.</summary>
    public int Highest => highest;

    public async ValueTask DisposeAsync()
    {
        await end.CancelAsync();
        await looking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        end.Dispose();
    }

    private async Task Look(Func<int> steps)
    {
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (await pause.WaitForNextTickAsync(end.Token))
            if (steps() is var now && now > highest)
                Break(now);
    }

    private void Break(int steps)
    {
        lock (gate)
        {
            longest = Max(longest, Stopwatch.GetElapsedTime(since));
            (highest, since) = (Math.Max(highest, steps), Stopwatch.GetTimestamp());
        }
    }

    private static TimeSpan Max(TimeSpan one, TimeSpan other) => one > other ? one : other;
}
