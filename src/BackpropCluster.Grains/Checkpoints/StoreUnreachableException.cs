using Orleans.Persistence.Redis;
using StackExchange.Redis;

namespace BackpropCluster.Grains.Checkpoints;

/// <summary>The store does not answer. It may later; nothing was written.</summary>
[GenerateSerializer, Alias("store-unreachable")]
public sealed class StoreUnreachableException : Exception
{
    public StoreUnreachableException(Exception cause)
        : base($"the cluster's store does not answer ({StoreReason.Of(cause)}). Nothing was changed. Start it again, or wait until it is back.")
    {
    }

    /// <summary>Whether an exception says that the store did not answer, rather than that it refused. What Redis itself objects to comes
    /// wrapped, with its type in the text only.</summary>
    public static bool IsMeant(Exception e) =>
        e is RedisConnectionException or RedisTimeoutException or TimeoutException || (e is RedisStorageException && !e.Message.Contains(nameof(RedisServerException), StringComparison.Ordinal));
}
