using System.Globalization;
using BackpropCluster.Grains.Checkpoints;
using StackExchange.Redis;

namespace BackpropCluster.Grains.Clustering;

/// <summary>Looks, before a silo joins its cluster, whether another version of the program keeps runs in the
/// store.</summary>
/// <remarks>Later would be too late: a silo that joins writes itself into the list of members, and then looks after
/// runs.</remarks>
public static class StoreFormat
{
    private const string RedisField = "data";

    /// <param name="address">The cluster's.</param>
    /// <param name="redis">Its store; <see langword="null"/> where runs are kept in a folder.</param>
    /// <param name="runDirectory">That folder.</param>
    /// <exception cref="RecordFormatException">The list of runs is of another version. Nothing was changed.</exception>
    public static async Task RefuseAnother(ClusterAddress address, IConnectionMultiplexer? redis, string runDirectory)
    {
        var bytes = redis is null
            ? await FolderStorage.ReadRecord(Path.Combine(runDirectory, RunCatalog.Index))
            : (byte[]?)
                await redis
                    .GetDatabase(address.Database)
                    .HashGetAsync(KeyOf(SealedRecords.StateName, SealedRecords.IdOf(RunCatalog.Index)), RedisField);
        if (bytes is null)
            return;
        try
        {
            StoredBytes.Open(bytes);
        }
        catch (BrokenRecordException)
        {
            // The catalog says so, and makes the list anew from the runs' own records.
        }
        catch (RecordFormatException e)
        {
            throw redis is null
                ? new RecordFormatException(e.Found, $"the folder {runDirectory}", "choose another --run-dir")
                : new RecordFormatException(
                    e.Found,
                    address.ToString(),
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"name another database of it, such as {address.InDatabase(address.Database + 1)}"
                    )
                );
        }
    }

    /// <summary>The name of a record in Redis.</summary>
    internal static RedisKey KeyOf(string state, GrainId grain) => $"{ClusterAddress.Id}/state/{grain}/{state}";
}
