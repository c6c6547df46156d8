using System.Collections.Immutable;
using BackpropCluster.Grains.Checkpoints;
using Orleans.Runtime;
using Orleans.Storage;

namespace BackpropCluster.ClusterTests;

/// <summary>Grain storage in memory, made of a folder's files: what a folder would hold, to be damaged many thousand
/// times.</summary>
internal sealed class InMemoryGrainStorage(IReadOnlyDictionary<string, byte[]> files) : IGrainStorage, IRunNames
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

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        records.Remove(grainId.Key.ToString()!);
        return Task.CompletedTask;
    }

    /// <summary>All records, by name.</summary>
    public IReadOnlyDictionary<string, byte[]> Records => records;

    /// <summary>Names of all records, in order.</summary>
    public IEnumerable<string> Names => records.Keys.Order(StringComparer.Ordinal);

    /// <summary>Changes one bit in the middle of a record.</summary>
    public void Flip(string name)
    {
        byte[] damaged = [.. records[name]];
        damaged[damaged.Length / 2] ^= 4;
        records[name] = damaged;
    }

    public Task<ImmutableArray<string>> Runs() =>
        Task.FromResult<ImmutableArray<string>>([
            .. Names
                .Where(name => name.EndsWith("/checkpoints/run", StringComparison.Ordinal))
                .Select(name => name[..name.IndexOf('/', StringComparison.Ordinal)]),
        ]);
}
