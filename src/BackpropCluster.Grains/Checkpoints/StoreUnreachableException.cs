using Orleans.Persistence.Redis;
using StackExchange.Redis;

namespace BackpropCluster.Grains.Checkpoints;

/// <summary>The store does not answer, or refuses. It may do what it is asked for later; nothing was written.</summary>
/// <remarks>In its place whatever the store's own client throws would go to other processes, which do not know its
/// types.</remarks>
[GenerateSerializer, Alias("store-unreachable")]
public sealed class StoreUnreachableException : Exception
{
    public StoreUnreachableException(Exception cause)
        : base(
            $"the cluster's store {(IsMeant(cause) ? "does not answer" : "refuses")} ({StoreReason.Of(cause)}). "
                + $"Nothing was changed. Start it again, or wait until it is back."
        ) { }

    /// <summary>Whether an exception says that the store did not answer, rather than that it refused. What Redis itself
    /// objects to comes wrapped, with its type in the text only.</summary>
    public static bool IsMeant(Exception e) =>
        e is RedisConnectionException or RedisTimeoutException or TimeoutException
        || (e is RedisStorageException && !e.Message.Contains(nameof(RedisServerException), StringComparison.Ordinal));

    /// <summary>Whether an exception comes from the store's own client.</summary>
    public static bool IsOfStore(Exception e) => IsMeant(e) || e is RedisException or RedisStorageException;
}
