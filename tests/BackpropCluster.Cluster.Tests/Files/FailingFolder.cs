using BackpropCluster.Grains.Checkpoints;
using Orleans.Runtime;
using Orleans.Storage;

namespace BackpropCluster.ClusterTests;

/// <summary>A folder whose disk is full for some writes, or that does not answer.</summary>
/// <param name="folder">The folder.</param>
/// <param name="isFull">Asked before each write, with the record's name.</param>
/// <param name="failure">What is thrown then, if not that the disk is full.</param>
internal sealed class FailingFolder(string folder, Func<string, bool> isFull, Exception? failure = null) : IGrainStorage
{
    private readonly FolderStorage storage = new(folder);

    public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        storage.ReadStateAsync(stateName, grainId, grainState);

    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        isFull(grainId.Key.ToString()!)
            ? throw failure ?? new IOException("No space left on device")
            : storage.WriteStateAsync(stateName, grainId, grainState);

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        storage.ClearStateAsync(stateName, grainId, grainState);
}
