using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Coordination;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace BackpropCluster.Grains.Clustering;

/// <summary>Sees to it that every unfinished run of the cluster is led by somebody: whoever began it may be gone, and
/// so may the silo whose coordinator led it.</summary>
internal sealed class RunSupervisor(
    RunCatalog catalog,
    IGrainFactory grains,
    SiloDrain departure,
    ILogger<RunSupervisor> logger
) : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var pause = new PeriodicTimer(LookEvery);
        var failing = false;
        while (await pause.WaitForNextTickAsync(stoppingToken))
        {
            if (departure.HasBegun)
                return;
            try
            {
                // All at once: one that cannot be woken must not keep the others waiting.
                await Task.WhenAll(
                    (await catalog.Runs())
                        .Where(run => !run.Status.IsOver())
                        .Select(run => grains.GetGrain<ICoordinatorGrain>(run.Run).Wake().AsTask())
                );
                failing = false;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // A store that is down says so once, not once a second.
                if (!failing)
                    logger.LogWarning(
                        "runs cannot be looked after: {Reason}; it is tried every second",
                        StoreReason.Of(e)
                    );
                failing = true;
            }
        }
    }
}
