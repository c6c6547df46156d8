using System.Collections.Concurrent;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Data;
using BackpropCluster.Grains.Telemetry;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;

namespace BackpropCluster.Grains.Actors;

/// <summary>The exchanges of one silo, one for each run that has actors there.</summary>
internal sealed class Exchanges : IDisposable
{
    private readonly ConcurrentDictionary<string, ExchangeHost> hosts = new();
    private readonly IGrainFactory grains;
    private readonly LocalCoordinators coordinators;
    private readonly ILocalSiloDetails silo;
    private readonly DataCatalog data;
    private readonly StoreClient store;
    private readonly ISiloStatusOracle membership;
    private readonly ILoggerFactory loggers;
    private TrafficByKind gone; // of runs that were let go: a counter must not run backward
    private readonly Lock gate = new();

    public Exchanges(
        IGrainFactory grains,
        LocalCoordinators coordinators,
        ILocalSiloDetails silo,
        DataCatalog data,
        StoreClient store,
        ISiloStatusOracle membership,
        ILoggerFactory loggers
    )
    {
        (this.grains, this.coordinators, this.silo, this.data, this.store) = (grains, coordinators, silo, data, store);
        (this.membership, this.loggers) = (membership, loggers);
        SiloMeasures.Add(this);
    }

    /// <summary>Runs that have actors on this silo, and how many.</summary>
    public IReadOnlyDictionary<string, int> Actors => hosts.ToDictionary(s => s.Key, s => s.Value.Actors.Length);

    /// <summary>What the actors of all runs have sent, by what it was.</summary>
    public TrafficByKind Traffic
    {
        get
        {
            lock (gate)
                return hosts.Values.Aggregate(gone, (sum, host) => sum + host.TrafficByKind);
        }
    }

    /// <summary>What the actors of one run have sent here; nothing where it has none.</summary>
    public Traffic TrafficOf(string run) => hosts.TryGetValue(run, out var host) ? host.Traffic : default;

    /// <summary>How many silos this one sees.</summary>
    public int Members => membership.GetActiveSilos().Length;

    public ExchangeHost Of(string run) =>
        hosts.GetOrAdd(
            run,
            r => new ExchangeHost(
                r,
                silo.SiloAddress.ToParsableString(),
                silo.Name,
                grains,
                coordinators,
                data,
                store,
                loggers.CreateLogger<ExchangeHost>()
            )
        );

    /// <summary>Lets go of everything that this silo holds of a run.</summary>
    public void Release(string run)
    {
        lock (gate)
        {
            if (!hosts.TryRemove(run, out var host))
                return;
            gone += host.TrafficByKind;
            host.Release();
        }
    }

    public void Dispose() => SiloMeasures.Remove(this);
}
