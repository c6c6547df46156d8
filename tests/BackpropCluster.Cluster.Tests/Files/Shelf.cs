using BackpropCluster.Grains.Checkpoints;
using Orleans.Runtime;
using Orleans.Storage;

namespace BackpropCluster.Tests;

/// <summary>Grain storage in memory, made of a folder's files: what a folder would hold, to be damaged many thousand times.</summary>
internal sealed class Shelf(IReadOnlyDictionary<string, byte[]> files) : IGrainStorage
{
    private readonly Dictionary<string, byte[]> records = new(files);

    public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        grainState.RecordExists = records.TryGetValue(grainId.Key.ToString()!, out var bytes);
        grainState.State = (T)(object)new StoredBytes { Bytes = bytes ?? [] };
        return Task.CompletedTask;
    }

    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        records[grainId.Key.ToString()!] = ((StoredBytes)(object)grainState.State!).Bytes;
        return Task.CompletedTask;
    }

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => throw new NotSupportedException();
}
