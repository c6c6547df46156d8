using BackpropCluster.Grains.Checkpoints;
using Orleans.Runtime;
using Orleans.Storage;

namespace BackpropCluster.Grains.Clustering;

/// <summary>The store of a cluster as a client sees it: by way of any silo, to read only.</summary>
/// <remarks>So a client needs no way to the store itself, and a cluster without one shows its folder in the same way.</remarks>
internal sealed class ClusterRecords(ClusterClient cluster) : IGrainStorage
{
    public async Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var bytes = await cluster.Record(grainId.Key.ToString()!);
        (grainState.State, grainState.RecordExists) = (StoredBytes.As<T>(bytes ?? []), bytes is not null);
    }

    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => throw new NotSupportedException("a client writes no record");

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => throw new NotSupportedException("a client clears no record");
}
