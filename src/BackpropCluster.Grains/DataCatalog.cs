using System.Collections.Concurrent;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Grains;

/// <summary>Brings the rows that a run file names. Each silo does it for itself.</summary>
public delegate Table TableReader(DataSpec data);

/// <summary>The data of the runs on one silo: loaded once, shared by its Source and Loss. Rows never travel through the coordinator.</summary>
public sealed class DataCatalog(TableReader read)
{
    private readonly ConcurrentDictionary<(DataSpec, ulong Seed, int Outputs), Lazy<Dataset>> loaded = new();

    public Dataset Open(RunPlan plan)
    {
        var (data, seed, outputs) = (plan.Spec.Data, plan.Spec.Seed, plan.Spec.Model.Layers[^1].Units);
        return loaded.GetOrAdd((data, seed, outputs), _ => new(() => Dataset.Prepare(read(data), data, seed, outputs))).Value;
    }
}
