using System.Collections.Immutable;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Data;
using Orleans.Concurrency;
using Orleans.Runtime;

namespace BackpropCluster.Grains.Silos;

[OnSilo, Reentrant]
internal sealed class SiloGrain(
    ILocalSiloDetails local,
    Exchanges exchanges,
    LocalCoordinators coordinators,
    DataCatalog data,
    ProgramVersion version
) : YieldingGrain, ISiloGrain
{
    public async ValueTask<string?> Check(RunPlan plan)
    {
        if (plan.Version.Length > 0 && plan.Version != version.Text)
            return $"silo {local.Name} runs version {version.Text}, the run was begun by {plan.Version}";
        // Built-in data are the same wherever the program is, and rows that are here need no file.
        if (plan.DataSha256.Length == 0 || data.Holds(plan))
            return null;
        try
        {
            var found = await Task.Run(() => DataFiles.Sha256(plan.Spec.Data));
            return found == plan.DataSha256
                ? null
                : $"silo {local.Name} has other data: {string.Join(", ", DataFiles.Of(plan.Spec.Data))} hashes to "
                    + $"{found[..12]}…, that of the run to {plan.DataSha256[..12]}…";
        }
        catch (DataException e)
        {
            return $"silo {local.Name} cannot read {e.File}: {e.What}";
        }
    }

    public void ToCoordinator(string run, Message message) => coordinators.Deliver(run, message);

    public ValueTask<Traffic> Traffic(string run) => new(exchanges.TrafficOf(run));

    public ValueTask<SiloDescription> Describe()
    {
        var heap = GC.GetGCMemoryInfo(GCKind.Any);
        return new(
            new SiloDescription(
                local.Name,
                local.SiloAddress.ToParsableString(),
                version.Text,
                exchanges.Actors.ToImmutableDictionary(),
                Environment.WorkingSet,
                heap.HeapSizeBytes - heap.FragmentedBytes
            )
        );
    }
}
