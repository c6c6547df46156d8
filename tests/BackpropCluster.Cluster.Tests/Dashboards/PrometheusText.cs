using System.Globalization;
using BackpropCluster.ClusterTests.Otlp;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.ClusterTests.Dashboards;

/// <summary>Data points as Prometheus 3 would store them, in the text format that older ones scrape.</summary>
internal static class PrometheusText
{
    /// <summary>A line for each series; of what comes under one name twice, the last.</summary>
    public static string Of(IEnumerable<DataPoint> points)
    {
        var values = new Dictionary<string, double>();
        foreach (var (series, value) in points.SelectMany(Series))
            values[series] = value;
        return string.Concat(values.Select(pair => $"{pair.Key} {Shown(pair.Value)}\n"));
    }

    private static IEnumerable<(string Series, double Value)> Series(DataPoint point)
    {
        var name = PrometheusNames.Of(point.Name, point.Unit, point.Kind);
        var own = point
            .Labels.Select(label => $"{PrometheusNames.Label(label.Key)}=\"{Escaped(label.Value)}\"")
            .Order(StringComparer.Ordinal);
        var labels = string.Join(',', own.Prepend($"job=\"{point.Resource.Service}\",instance=\"{point.Instance}\""));
        if (point.Kind != MetricKind.Histogram)
            return [($"{name}{{{labels}}}", point.Value)];
        var buckets = point.Buckets.Select(bucket =>
            ($"{name}_bucket{{{labels},le=\"{Shown(bucket.Bound)}\"}}", (double)bucket.Count)
        );
        return [.. buckets, ($"{name}_count{{{labels}}}", point.Value), ($"{name}_sum{{{labels}}}", point.Sum)];
    }

    private static string Shown(double value) =>
        double.IsPositiveInfinity(value) ? "+Inf" : value.ToString("R", CultureInfo.InvariantCulture);

    private static string Escaped(TraceValue value)
    {
        var text = value switch
        {
            { Truth: { } truth } => truth ? "true" : "false",
            { Whole: { } whole } => whole.ToString(CultureInfo.InvariantCulture),
            { Real: { } real } => Shown(real),
            _ => value.Text ?? "",
        };
        return text.Replace("\\", "\\\\", StringComparison.Ordinal)
            .Replace("\"", "\\\"", StringComparison.Ordinal)
            .Replace("\n", "\\n", StringComparison.Ordinal);
    }
}
