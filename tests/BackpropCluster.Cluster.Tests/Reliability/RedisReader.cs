using BackpropCluster.Grains.Checkpoints;
using Orleans.Runtime;
using Orleans.Storage;
using StackExchange.Redis;

namespace BackpropCluster.ClusterTests.Reliability;

/// <summary>Reads what the silos keep in Redis without being one: <c>{service}/state/{grain}/{state}</c>, in the field
/// <c>data</c>.</summary>
internal sealed class RedisReader(IDatabase redis) : IGrainStorage
{
    public async Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var data = await redis.HashGetAsync($"backprop/state/{grainId}/{stateName}", "data");
        grainState.RecordExists = data.HasValue;
        if (grainState is IGrainState<StoredBytes> record && data.HasValue)
            record.State = new StoredBytes { Bytes = data! };
    }

    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        throw new NotSupportedException("it only reads");

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        throw new NotSupportedException("it only reads");
}
