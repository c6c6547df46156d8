using System.Diagnostics;
using System.Globalization;
using BackpropCluster.ClusterTests.Processes;

namespace BackpropCluster.ClusterTests.Reliability;

/// <summary>Holds faults for a time and tells what they cost.</summary>
internal static class Faults
{
    /// <summary>Three silo processes and a Redis of their own.</summary>
    public static async Task<SharedCluster> Cluster()
    {
        var cluster = new SharedCluster();
        await cluster.InitializeAsync();
        return cluster;
    }

    /// <summary>Lets a fault last.</summary>
    public static async Task Hold(TimeSpan span)
    {
        using var fault = new PeriodicTimer(span);
        await fault.WaitForNextTickAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>Waits for something that no message tells.</summary>
    /// <returns>Whether it came about within the bound.</returns>
    public static Task<bool> ComesAbout(Func<bool> condition, TimeSpan bound) =>
        ComesAbout(() => Task.FromResult(condition()), bound);

    /// <summary>The same of what has to be asked for.</summary>
    public static async Task<bool> ComesAbout(Func<Task<bool>> condition, TimeSpan bound)
    {
        var began = Stopwatch.GetTimestamp();
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (!await condition())
        {
            if (Stopwatch.GetElapsedTime(began) > bound)
                return false;
            await pause.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }

        return true;
    }

    /// <summary>Waits for the end of a process that takes longer than a command does.</summary>
    public static async Task<Ended> EndsWithin(Child child, TimeSpan bound)
    {
        Assert.True(
            await ComesAbout(() => !child.IsRunning, bound),
            $"it did not end within {bound.TotalSeconds} s; it said: {child.Output}{child.Diagnostics}"
        );
        return await child.Ends();
    }

    public static void Tell(string text) => TestContext.Current.TestOutputHelper?.WriteLine(text);
}
