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

    /// <summary>A catalog that has a run's data already: silos inside one process need not each read a file that the process has read.</summary>
    public static DataCatalog Holding(RunPlan plan, Dataset data)
    {
        var catalog = new DataCatalog(DataFiles.Read);
        catalog.loaded[KeyOf(plan)] = new(() => data);
        return catalog;
    }

    public Dataset Open(RunPlan plan)
    {
        var (data, seed, outputs) = KeyOf(plan);
        return loaded.GetOrAdd((data, seed, outputs), _ => new(() => Dataset.Prepare(read(data), data, seed, outputs))).Value;
    }

    private static (DataSpec Data, ulong Seed, int Outputs) KeyOf(RunPlan plan) => (plan.Spec.Data, plan.Spec.Seed, plan.Spec.Model.Layers[^1].Units);
}
