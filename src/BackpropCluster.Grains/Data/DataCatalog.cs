using System.Diagnostics.CodeAnalysis;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Grains.Data;

/// <summary>Brings the rows that a run file names. Each silo does it for itself.</summary>
public delegate Table TableReader(DataSpec data);

/// <summary>The data of the runs on one silo: read once, shared by every Source and Loss that needs the same. Rows
/// never travel through the coordinator.</summary>
/// <remarks>Thread-safe. A data set is only remembered, not held: Source and Loss hold it, and with the last of them it
/// goes. What was read is looked up by the hash of its bytes, so that a file that was edited is another data set, and
/// what cannot be read leaves nothing behind.</remarks>
public sealed class DataCatalog(TableReader read)
{
    private readonly Dictionary<Key, CachedDataset> cache = [];

    /// <summary>A catalog that has a run's data already: silos inside one process need not each read a file that the
    /// process has read.</summary>
    /// <remarks>The data are held as long as the catalog.</remarks>
    public static DataCatalog Holding(RunPlan plan, Dataset data)
    {
        var catalog = new DataCatalog(DataFiles.Read);
        catalog.cache[Key.Of(plan)] = new CachedDataset { Held = Checked(plan, data) };
        return catalog;
    }

    /// <summary>How many different data sets somebody holds.</summary>
    public int Count
    {
        get
        {
            lock (cache)
                return cache.Values.Count(entry => entry.Has(out _));
        }
    }

    /// <summary>Whether the data of a run are here, so that no file needs to be read for it.</summary>
    public bool Holds(RunPlan plan)
    {
        lock (cache)
            return cache.TryGetValue(Key.Of(plan), out var entry) && entry.Has(out _);
    }

    /// <summary>The data of a run, read if nobody holds them.</summary>
    /// <exception cref="DataException">The files cannot be read, or hold other rows than the run was planned
    /// with.</exception>
    public Dataset Open(RunPlan plan)
    {
        var entry = Take(Key.Of(plan));
        try
        {
            // One reads while others wait for the same: a second copy would be as large as the first.
            lock (entry.Reading)
            {
                if (entry.Has(out var known))
                    return known;
                var data = Dataset.Prepare(
                    read(plan.Spec.Data),
                    plan.Spec.Data,
                    plan.Spec.Seed,
                    plan.Spec.Model.Layers[^1].Units
                );
                entry.Rows = new WeakReference<Dataset>(Checked(plan, data));
                return data;
            }
        }
        finally
        {
            lock (cache)
                entry.Users--;
        }
    }

    private CachedDataset Take(Key key)
    {
        lock (cache)
        {
            foreach (var (other, empty) in cache.ToArray())
                if (empty.Users == 0 && !empty.Has(out _))
                    cache.Remove(other);
            if (!cache.TryGetValue(key, out var entry))
                cache.Add(key, entry = new CachedDataset());
            entry.Users++;
            return entry;
        }
    }

    private static Dataset Checked(RunPlan plan, Dataset data) =>
        data.FilesSha256 == plan.DataSha256
            ? data
            : throw new DataException(
                string.Join(", ", DataFiles.Of(plan.Spec.Data)),
                $"the rows are others than those that the run began with: {Start(data.FilesSha256)} instead of "
                    + $"{Start(plan.DataSha256)}",
                "Restore the files, or train anew."
            );

    // Enough of a hash to tell two apart.
    private static string Start(string hash) => hash.Length > 12 ? $"{hash[..12]}…" : "no hash";

    /// <summary>What decides about split, scaled rows with targets. Neither batch nor order is in it: they choose among
    /// the rows. The seed is, where it chooses which rows are held out.</summary>
    private sealed record Key(DataSpec Data, string FilesSha256, ulong Seed, int Outputs)
    {
        public static Key Of(RunPlan plan)
        {
            var data = plan.Spec.Data with { Batch = null, Microbatches = 1, Shuffle = true };
            var isSplit = data.Test > 0 && data.Idx?.TestImages is null;
            return new Key(data, plan.DataSha256, isSplit ? plan.Spec.Seed : 0, plan.Spec.Model.Layers[^1].Units);
        }
    }

    private sealed class CachedDataset
    {
        public Lock Reading { get; } = new();

        public int Users { get; set; }

        /// <summary>What stays, whoever needs it.</summary>
        public Dataset? Held { private get; init; }

        /// <summary>What goes with the last that needs it.</summary>
        public WeakReference<Dataset>? Rows { private get; set; }

        public bool Has([NotNullWhen(true)] out Dataset? data)
        {
            data = Held;
            return data is not null || Rows?.TryGetTarget(out data) == true;
        }
    }
}
