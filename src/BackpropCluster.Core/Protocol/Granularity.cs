using System.Globalization;

namespace BackpropCluster.Core.Protocol;

/// <summary>How many units of a layer one grain holds: one (a neuron), some (a shard), all (a layer).</summary>
/// <param name="Units">1 or more; a layer with fewer units is one shard. The last shard of a layer takes what is
/// left.</param>
[GenerateSerializer, Immutable, Alias("granularity")]
public readonly record struct Granularity([property: Id(0)] int Units)
{
    public static Granularity Neuron { get; } = new(1);
    public static Granularity Layer { get; } = new(int.MaxValue);

    /// <summary>Reads "neuron", "layer" or a number of units.</summary>
    public static bool TryParse(string text, out Granularity granularity)
    {
        granularity = text switch
        {
            "neuron" => Neuron,
            "layer" => Layer,
            _ => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var units)
                ? new(units)
                : default,
        };
        return granularity.Units > 0;
    }

    public override string ToString() =>
        this == Neuron ? "neuron"
        : this == Layer ? "layer"
        : Units.ToString(CultureInfo.InvariantCulture);
}
