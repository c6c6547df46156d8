using System.Globalization;

namespace BackpropCluster.Tests.Dashboards;

/// <summary>What a process exported at once: values of series, as Prometheus 3 would store them.</summary>
/// <param name="Instance">service.instance.id.</param>
/// <param name="Series">By name and labels, in Prometheus' text format.</param>
internal sealed record OtlpMetrics(string Instance, IReadOnlyDictionary<string, double> Series)
{
    private const ulong Cumulative = 2;

    /// <summary>Reads an ExportMetricsServiceRequest; numbers are those of opentelemetry/proto/metrics/v1/metrics.proto.</summary>
    public static IEnumerable<OtlpMetrics> Read(ReadOnlyMemory<byte> request)
    {
        foreach (var resourceMetrics in ProtobufField.Read(request).Where(f => f.Number == 1))
        {
            var resource = resourceMetrics.Fields.Where(f => f.Number == 1).SelectMany(f => f.Fields).Where(f => f.Number == 1).Select(KeyAndText).ToDictionary();
            var instance = resource.GetValueOrDefault("service.instance.id", "");
            var series = new Dictionary<string, double>();
            var labels = $"job=\"{resource.GetValueOrDefault("service.name", "")}\",instance=\"{instance}\"";
            foreach (var metric in resourceMetrics.Fields.Where(f => f.Number == 2).SelectMany(scope => scope.Fields).Where(f => f.Number == 2)) Add(series, metric, labels);
            yield return new OtlpMetrics(instance, series);
        }
    }

    private static void Add(Dictionary<string, double> series, ProtobufField metric, string resource)
    {
        var fields = metric.Fields.ToList();
        string Text(int number) => fields.Where(f => f.Number == number).Select(f => f.Text).LastOrDefault("");
        var data = fields.Single(f => f.Number is 5 or 7 or 9);
        if (data.Number != 5 && data.Fields.Single(f => f.Number == 2).Value != Cumulative) throw new InvalidDataException($"{Text(1)} is not cumulative, and Prometheus would refuse it");
        var kind = data.Number switch
        {
            5 => MetricKind.Gauge,
            9 => MetricKind.Histogram,
            _ => data.Fields.Any(f => f is { Number: 3, Value: 1 }) ? MetricKind.Counter : MetricKind.UpDownCounter,
        };
        var name = PrometheusNames.Of(Text(1), Text(3), kind);
        foreach (var point in data.Fields.Where(f => f.Number == 1))
            if (kind == MetricKind.Histogram) AddHistogram(series, name, resource, point.Fields.ToList());
            else AddNumber(series, name, resource, point.Fields.ToList());
    }

    private static void AddNumber(Dictionary<string, double> series, string name, string resource, List<ProtobufField> point)
    {
        var value = point.Single(f => f.Number is 4 or 6);
        series[$"{name}{{{Labels(resource, point, 7)}}}"] = value.Number == 4 ? value.Double : (long)value.Value;
    }

    private static void AddHistogram(Dictionary<string, double> series, string name, string resource, List<ProtobufField> point)
    {
        var labels = Labels(resource, point, 9);
        var (counts, bounds) = (Packed(point, 6), Packed(point, 7));
        var below = 0UL;
        for (var i = 0; i < counts.Length; i++)
        {
            below += counts[i];
            var bound = i < bounds.Length ? BitConverter.UInt64BitsToDouble(bounds[i]).ToString("R", CultureInfo.InvariantCulture) : "+Inf";
            series[$"{name}_bucket{{{labels},le=\"{bound}\"}}"] = below;
        }

        series[$"{name}_count{{{labels}}}"] = point.Single(f => f.Number == 4).Value;
        series[$"{name}_sum{{{labels}}}"] = point.Where(f => f.Number == 5).Select(f => f.Double).LastOrDefault();
    }

    private static ulong[] Packed(List<ProtobufField> point, int number) => [.. point.Where(f => f.Number == number).SelectMany(f => f.Packed)];

    private static string Labels(string resource, List<ProtobufField> point, int number) =>
        string.Join(',', point.Where(f => f.Number == number).Select(KeyAndText).Select(pair => $"{PrometheusNames.Label(pair.Key)}=\"{Escaped(pair.Value)}\"").Order(StringComparer.Ordinal).Prepend(resource));

    private static KeyValuePair<string, string> KeyAndText(ProtobufField pair)
    {
        var (key, value) = ("", "");
        foreach (var field in pair.Fields)
        {
            if (field.Number == 1) key = field.Text;
            else if (field.Number == 2) value = field.Fields.Select(Text).LastOrDefault("");
        }

        return new(key, value);
    }

    private static string Text(ProtobufField value) => value.Number switch
    {
        1 => value.Text,
        2 => value.Value == 1 ? "true" : "false",
        3 => ((long)value.Value).ToString(CultureInfo.InvariantCulture),
        4 => value.Double.ToString("R", CultureInfo.InvariantCulture),
        _ => "",
    };

    private static string Escaped(string value) => value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
