using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Hosting;
using Orleans.Clustering.Redis;
using Orleans.Runtime;

namespace BackpropCluster.Grains.Clustering;

/// <summary>Looks now and then whether this silo still stands in the store's list of members.</summary>
/// <remarks>Orleans writes an entry when a silo joins and never again. A store that came back without its data has
/// none, and a silo that goes on without one calls itself ready for ever, while no client and no new silo can find
/// it.</remarks>
internal sealed class Registration(IMembershipTable table, ILocalSiloDetails local, SiloEnd end, ClusterAddress address)
    : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LookBound = TimeSpan.FromSeconds(10);

    // 20 s, longer than the 16 s in which a run notices that its store answers again (StoreRetryState): the run is to
    // say what was lost before its silo ends. StoreTests would see it. And a store may just be being loaded.
    private const int MissedLooks = 10;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var pause = new PeriodicTimer(LookEvery);
        for (var missed = 0; missed < MissedLooks && await pause.WaitForNextTickAsync(stoppingToken); )
            missed = await IsMissing() ? missed + 1 : 0;
        if (!stoppingToken.IsCancellationRequested)
            end.Tell(
                $"stands in no list of members any more, where clients would find it: {address} has lost its data."
            );
    }

    [SuppressMessage(
        "Design",
        "CA1031",
        Justification = "Whatever a store that is down throws, it says nothing about the entry."
    )]
    private async Task<bool> IsMissing()
    {
        try
        {
            return (await table.ReadRowAsync(local.SiloAddress, CancellationToken.None).WaitAsync(LookBound))
                    .Members
                    .Count == 0;
        }
        catch (RedisClusteringException e) when (e.InnerException is null)
        {
            return true; // it answers, and has no list of members at all
        }
        catch (Exception)
        {
            return false;
        }
    }
}
