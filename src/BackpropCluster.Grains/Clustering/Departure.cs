using System.Collections.Concurrent;
using BackpropCluster.Grains.Checkpoints;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;

namespace BackpropCluster.Grains.Clustering;

/// <summary>A silo's way out: it asks each run that has parts here to move them, and waits until all have.</summary>
internal sealed class Departure(RelayShells relays, ILocalSiloDetails local, IGrainFactory grains, TimeProvider time, ILogger<Departure> logger)
{
    private static readonly TimeSpan AskEvery = TimeSpan.FromMilliseconds(50);

    // Other silos look for runs that nobody leads once a second.
    private static readonly TimeSpan NextLeaderBound = TimeSpan.FromSeconds(3);

    // A coordinator may stand on a silo that holds no part of its run.
    private readonly ConcurrentDictionary<string, bool> led = new();

    private long began;

    public bool HasBegun { get; private set; }

    /// <summary>Whether others have had time enough to take the lead of runs that were led here.</summary>
    public bool IsLong => time.GetElapsedTime(began) > NextLeaderBound;

    /// <summary>A run is led from here: it is to be handed over too.</summary>
    public void Leads(string run) => led[run] = true;

    public void LeadsNoMore(string run) => led.TryRemove(run, out _);

    /// <returns>Whether nothing of any run stands here any more.</returns>
    public async Task<bool> Leave(TimeSpan bound)
    {
        (began, HasBegun) = (time.GetTimestamp(), true);
        using var end = new CancellationTokenSource(bound);
        using var pause = new PeriodicTimer(AskEvery);
        try
        {
            while (!await AreAllGone()) await pause.WaitForNextTickAsync(end.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            logger.LogWarning("runs {Runs} did not move their parts within {Seconds} s; they will recover", string.Join(", ", relays.Parts.Keys.Union(led.Keys)), bound.TotalSeconds);
            return false;
        }
    }

    private async Task<bool> AreAllGone()
    {
        var gone = true;
        // Those that came while others were asked to leave are asked in the next round.
        foreach (var run in relays.Parts.Keys.Union(led.Keys))
        {
            try
            {
                gone &= await grains.GetGrain<ICoordinatorGrain>(run).Leave(local.SiloAddress.ToParsableString());
            }
            catch (Exception e) when (e is OrleansException or TimeoutException or StoreUnreachableException)
            {
                // Its coordinator is on its way out or in, or the store does not say whether the run is over: asked again.
                gone = false;
            }
        }

        return gone;
    }
}
