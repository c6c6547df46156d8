using System.Globalization;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Grains;

/// <summary>Grain keys of a run's parts. Readable, because they are what a dashboard shows.</summary>
internal static class PartKeys
{
    public static string Source(string run) => $"{run}/source";

    public static string Loss(string run) => $"{run}/loss";

    public static string Slice(string run, SliceRange slice) =>
        string.Create(CultureInfo.InvariantCulture, $"{run}/layer-{slice.Layer}/units-{slice.First}-{slice.Last}/{slice.Index}");

    /// <summary>The run of any key.</summary>
    public static string RunOf(string key) => key.Split('/')[0];

    /// <summary>The slice of a key made by <see cref="Slice"/>.</summary>
    public static PartId SliceOf(string key)
    {
        var fields = key.Split('/');
        return PartId.Slice(
            int.Parse(fields[1].AsSpan("layer-".Length), CultureInfo.InvariantCulture),
            int.Parse(fields[3], CultureInfo.InvariantCulture));
    }
}
