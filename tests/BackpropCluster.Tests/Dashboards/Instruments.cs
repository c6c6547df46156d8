using System.Diagnostics.Metrics;

namespace BackpropCluster.Tests.Dashboards;

/// <summary>What a published instrument becomes on its way to Prometheus.</summary>
internal static class Instruments
{
    public static MetricKind KindOf(Instrument instrument) =>
        instrument.GetType().Name.Split('`')[0] switch
        {
            "Counter" or "ObservableCounter" => MetricKind.Counter,
            "UpDownCounter" or "ObservableUpDownCounter" => MetricKind.UpDownCounter,
            "Gauge" or "ObservableGauge" => MetricKind.Gauge,
            "Histogram" => MetricKind.Histogram,
            var other => throw new NotSupportedException($"{instrument.Name} is a {other}"),
        };
}
