using System.Globalization;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Grains;

/// <summary>Grain keys of a run's parts. Readable, because they are what a dashboard shows; the last field is the
/// silo.</summary>
internal static class ActorKeys
{
    public static string Source(string run, string silo) => $"{run}/source/{silo}";

    public static string Loss(string run, string silo) => $"{run}/loss/{silo}";

    public static string Exchange(string run, string silo) => $"{run}/exchange/{silo}";

    public static string Slice(string run, ShardRange shard, string silo) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{run}/layer-{shard.Layer}/units-{shard.First}-{shard.Last}/{shard.Index}/{silo}"
        );

    public static string Silo(string silo) => $"silo/{silo}";

    /// <summary>The run of any key.</summary>
    public static string RunOf(string key) => key.Split('/')[0];

    /// <summary>The silo of any key.</summary>
    public static string SiloOf(string key) => key[(key.LastIndexOf('/') + 1)..];

    /// <summary>The shard of a key made by <see cref="Slice"/>.</summary>
    public static ActorId ShardOf(string key)
    {
        var fields = key.Split('/');
        return ActorId.Shard(
            int.Parse(fields[1].AsSpan("layer-".Length), CultureInfo.InvariantCulture),
            int.Parse(fields[3], CultureInfo.InvariantCulture)
        );
    }
}
