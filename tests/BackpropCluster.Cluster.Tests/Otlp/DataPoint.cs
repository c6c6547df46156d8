using BackpropCluster.ClusterTests.Dashboards;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.ClusterTests.Otlp;

/// <summary>One data point of a metric as it was exported.</summary>
/// <param name="Name">The metric's.</param>
/// <param name="Unit">The metric's.</param>
/// <param name="Kind">The metric's.</param>
/// <param name="Resource">The process that measured it.</param>
/// <param name="Labels">Its attributes.</param>
/// <param name="Value">A number, or how often a histogram was told something.</param>
internal sealed record DataPoint(
    string Name,
    string Unit,
    MetricKind Kind,
    TraceResource Resource,
    IReadOnlyList<TraceAttribute> Labels,
    double Value
)
{
    /// <summary>Of all that a histogram was told.</summary>
    public double Sum { get; init; }

    /// <summary>How often a histogram was told something up to each bound, the last of which is infinite.</summary>
    public IReadOnlyList<(double Bound, ulong Count)> Buckets { get; init; } = [];

    public string Instance => Resource.Instance;

    public string? Label(string key) =>
        Labels.FirstOrDefault(l => l.Key == key) is { Key: not null } found ? found.Value.Text : null;
}
