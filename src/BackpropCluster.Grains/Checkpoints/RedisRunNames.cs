using System.Collections.Immutable;
using StackExchange.Redis;

namespace BackpropCluster.Grains.Checkpoints;

/// <summary>Finds runs among the keys of a Redis, where grain storage keeps <c>…/{type}/{name}/…</c>.</summary>
/// <param name="redis">The store.</param>
/// <param name="database">Which of its databases.</param>
internal sealed class RedisRunNames(IConnectionMultiplexer redis, int database) : IRunNames
{
    private const int KeysAtOnce = 1000;

    public async Task<ImmutableArray<string>> Runs()
    {
        var runs = new SortedSet<string>(StringComparer.Ordinal);
        try
        {
            foreach (var server in redis.GetServers())
            await foreach (
                var key in server.KeysAsync(
                    database,
                    $"*/{SealedRecords.TypeName}/*/{RunCatalog.RecordName}*",
                    KeysAtOnce
                )
            )
                runs.Add(RunOf(key.ToString()));
            return [.. runs];
        }
        catch (Exception e) when (StoreUnreachableException.IsOfStore(e))
        {
            throw new StoreUnreachableException(e);
        }
    }

    private static string RunOf(string key)
    {
        var first =
            key.IndexOf($"/{SealedRecords.TypeName}/", StringComparison.Ordinal) + SealedRecords.TypeName.Length + 2;
        return key[first..key.IndexOf('/', first)];
    }
}
