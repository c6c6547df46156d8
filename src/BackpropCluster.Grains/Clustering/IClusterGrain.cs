using System.Collections.Immutable;
using BackpropCluster.Grains.Checkpoints;
using Orleans.Concurrency;
using Orleans.Runtime;

namespace BackpropCluster.Grains.Clustering;

/// <summary>The members and runs of a cluster, for clients.</summary>
/// <remarks>Key 0. Any silo answers.</remarks>
[Alias("backprop.cluster")]
public interface IClusterGrain : IGrainWithIntegerKey
{
    /// <summary>The silos that the answering one takes for members, as placements name them.</summary>
    /// <remarks>As it knows them: Orleans' own management reads the store's table for that, and fails with whatever
    /// the store's client throws.</remarks>
    [Alias("Members")]
    ValueTask<ImmutableArray<string>> Members();

    [Alias("Runs")]
    ValueTask<ImmutableArray<RunEntry>> Runs();

    [Alias("Find")]
    ValueTask<RunRecord?> Find(string run);

    /// <summary>A piece of a record of the cluster's store, sealed as it lies there; <see langword="null"/> if there is
    /// none of this name.</summary>
    /// <param name="name">Of the record.</param>
    /// <param name="first">The first byte.</param>
    /// <param name="bytes">At most so many.</param>
    [Alias("Record")]
    ValueTask<RecordPiece?> Record(string name, int first, int bytes);
}

[StatelessWorker]
internal sealed class ClusterGrain(RunCatalog catalog, ISiloStatusOracle membership) : Grain, IClusterGrain
{
    public ValueTask<ImmutableArray<string>> Members() =>
        new([.. membership.GetActiveSilos().Select(silo => silo.ToParsableString())]);

    public async ValueTask<ImmutableArray<RunEntry>> Runs() => await catalog.Runs();

    public async ValueTask<RunRecord?> Find(string run) => await catalog.Find(run);

    public async ValueTask<RecordPiece?> Record(string name, int first, int bytes) =>
        await catalog.Record(name, first, bytes);
}
