using Orleans.Persistence.Redis;
using StackExchange.Redis;

namespace BackpropCluster.Grains.Checkpoints;

/// <summary>The store does not answer. It may later; nothing was written.</summary>
[GenerateSerializer, Alias("store-unreachable")]
public sealed class StoreUnreachableException : Exception
{
    private const int LongestReason = 160;

    public StoreUnreachableException(Exception cause)
        : base($"the cluster's store does not answer ({Brief(cause)}). Nothing was changed. Start it again, or wait until it is back.")
    {
    }

    /// <summary>Whether an exception says that the store did not answer, rather than that it refused.</summary>
    public static bool IsMeant(Exception e) => e is RedisStorageException or RedisException or TimeoutException;

    /// <summary>The first words of a reason: the client library goes on for a page about its queues.</summary>
    public static string Brief(Exception e)
    {
        var text = e.Message.ReplaceLineEndings(" ");
        var end = text.IndexOf(", ", Math.Min(text.Length, 60), StringComparison.Ordinal);
        text = end > 0 ? text[..end] : text;
        return text[..Math.Min(text.Length, LongestReason)].TrimEnd('.');
    }
}
