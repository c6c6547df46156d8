using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Orleans.Configuration;

namespace BackpropCluster.Grains;

/// <summary>The one place that wires a silo.</summary>
public static class SiloSetup
{
    /// <summary>Adds what grains of this project need. Clustering and endpoints are the caller's.</summary>
    public static ISiloBuilder AddBackprop(this ISiloBuilder silo)
    {
        silo.Services.TryAddSingleton(TimeProvider.System);
        silo.Services.TryAddSingleton<ITrainingObserver, NoObserver>();
        silo.Services.TryAddSingleton<TableReader>(DataFiles.Read);
        silo.Services.AddSingleton<Traffic>().AddSingleton<PartShells>();
        silo.Services.TryAddSingleton<DataCatalog>();
        // A dead silo is noticed after about a second, not after fifteen; the step's deadline is the net below.
        silo.Configure<ClusterMembershipOptions>(options =>
        {
            options.ProbeTimeout = TimeSpan.FromSeconds(1);
            options.NumMissedProbesLimit = 3;
        });
        return silo;
    }
}
