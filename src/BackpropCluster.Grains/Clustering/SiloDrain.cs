using System.Collections.Concurrent;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Coordination;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;

namespace BackpropCluster.Grains.Clustering;

/// <summary>A silo's way out: it asks each run that has actors here to move them, and waits until all have.</summary>
internal sealed class SiloDrain(
    Exchanges exchanges,
    ILocalSiloDetails local,
    IGrainFactory grains,
    ILogger<SiloDrain> logger
)
{
    private static readonly TimeSpan AskEvery = TimeSpan.FromMilliseconds(50);

    // A coordinator may stand on a silo that holds no actor of its run.
    private readonly ConcurrentDictionary<string, bool> led = new();

    public bool HasBegun { get; private set; }

    /// <summary>A run is led from here: it is to be handed over too.</summary>
    public void Leads(string run) => led[run] = true;

    public void LeadsNoMore(string run) => led.TryRemove(run, out _);

    /// <returns>Whether nothing of any run stands here any more.</returns>
    public async Task<bool> Leave(TimeSpan bound)
    {
        HasBegun = true;
        using var time = new CancellationTokenSource(bound);
        using var pause = new PeriodicTimer(AskEvery);
        try
        {
            while (!await AreAllGone())
                await pause.WaitForNextTickAsync(time.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            logger.LogWarning(
                "runs {Runs} did not move their actors within {Seconds} s; they will recover",
                string.Join(", ", exchanges.Actors.Keys.Union(led.Keys)),
                bound.TotalSeconds
            );
            return false;
        }
    }

    private async Task<bool> AreAllGone()
    {
        var gone = true;
        // Those that came while others were asked to leave are asked in the next round.
        foreach (var run in exchanges.Actors.Keys.Union(led.Keys))
        {
            try
            {
                gone &= await grains.GetGrain<ICoordinatorGrain>(run).Leave(local.SiloAddress.ToParsableString());
            }
            catch (Exception e) when (e is OrleansException or TimeoutException)
            {
                // Its coordinator is on its way out or in: asked again.
                gone = false;
            }
        }

        return gone;
    }
}
