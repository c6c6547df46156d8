using System.Globalization;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Grains;

/// <summary>Grain keys of a run's parts. Readable, because they are what a dashboard shows; the last field is the silo.</summary>
internal static class PartKeys
{
    public static string Source(string run, string silo) => $"{run}/source/{silo}";

    public static string Loss(string run, string silo) => $"{run}/loss/{silo}";

    public static string Relay(string run, string silo) => $"{run}/relay/{silo}";

    public static string Slice(string run, SliceRange slice, string silo) =>
        string.Create(CultureInfo.InvariantCulture, $"{run}/layer-{slice.Layer}/units-{slice.First}-{slice.Last}/{slice.Index}/{silo}");

    /// <summary>The run of any key.</summary>
    public static string RunOf(string key) => key.Split('/')[0];

    /// <summary>The silo of any key.</summary>
    public static string SiloOf(string key) => key[(key.LastIndexOf('/') + 1)..];

    /// <summary>The slice of a key made by <see cref="Slice"/>.</summary>
    public static PartId SliceOf(string key)
    {
        var fields = key.Split('/');
        return PartId.Slice(
            int.Parse(fields[1].AsSpan("layer-".Length), CultureInfo.InvariantCulture),
            int.Parse(fields[3], CultureInfo.InvariantCulture));
    }
}
