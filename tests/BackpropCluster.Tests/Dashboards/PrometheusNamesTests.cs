namespace BackpropCluster.Tests.Dashboards;

/// <summary>Names as Prometheus makes them; where a case is the module's own, it is one of prometheus/otlptranslator's
/// tests.</summary>
public sealed class PrometheusNamesTests
{
    [Theory]
    [InlineData("backprop.steps", "{step}", MetricKind.Counter, "backprop_steps_total")]
    [InlineData("backprop.step.duration", "s", MetricKind.Histogram, "backprop_step_duration_seconds")]
    [InlineData("backprop.loss", "", MetricKind.Gauge, "backprop_loss")]
    [InlineData("backprop.remote.bytes", "By", MetricKind.Counter, "backprop_remote_bytes_total")]
    [InlineData(
        "orleans-app-requests-latency",
        "ms",
        MetricKind.Histogram,
        "orleans_app_requests_latency_milliseconds"
    )]
    [InlineData("orleans-grains", null, MetricKind.UpDownCounter, "orleans_grains")]
    [InlineData(
        "orleans-messaging-sent-messages-size",
        "bytes",
        MetricKind.Histogram,
        "orleans_messaging_sent_messages_size_bytes"
    )]
    [InlineData("orleans-runtime-available-memory", "MB", MetricKind.Gauge, "orleans_runtime_available_memory_MB")]
    [InlineData("dotnet.gc.heap.total_allocated", "By", MetricKind.Counter, "dotnet_gc_heap_allocated_bytes_total")]
    public void AnInstrumentIsFoundUnderItsTranslatedName(
        string name,
        string? unit,
        MetricKind kind,
        string expected
    ) => Assert.Equal(expected, PrometheusNames.Of(name, unit, kind));

    [Theory]
    [InlineData("system.filesystem.usage", "By", MetricKind.UpDownCounter, "system_filesystem_usage_bytes")]
    [InlineData("system.network.dropped", "{packet}", MetricKind.Counter, "system_network_dropped_total")]
    [InlineData("system.cpu.utilization", "1", MetricKind.Gauge, "system_cpu_utilization_ratio")]
    [InlineData(
        "active_directory.ds.replication.sync.object.pending",
        "{object}",
        MetricKind.Counter,
        "active_directory_ds_replication_sync_object_pending_total"
    )]
    [InlineData(
        "metric with 字符 foreign characters",
        "ds",
        MetricKind.Counter,
        "metric_with_foreign_characters_ds_total"
    )]
    [InlineData("3_14.digits", "", MetricKind.Gauge, "_3_14_digits")]
    [InlineData("requests.count", "1", MetricKind.Counter, "requests_count_total")]
    public void TheTranslatorsOwnCasesHold(string name, string unit, MetricKind kind, string expected) =>
        Assert.Equal(expected, PrometheusNames.Of(name, unit, kind));

    [Fact]
    public void AHistogramHasThreeSeriesAndEverythingElseOne()
    {
        Assert.Equal(
            ["a_seconds_bucket", "a_seconds_sum", "a_seconds_count"],
            PrometheusNames.Series("a", "s", MetricKind.Histogram)
        );
        Assert.Equal(["a_seconds_total"], PrometheusNames.Series("a", "s", MetricKind.Counter));
    }

    [
        Theory,
        InlineData("gc.heap.generation", "gc_heap_generation"),
        InlineData("grain_type", "grain_type"),
        InlineData("Direction", "Direction"),
        InlineData("2nd", "key_2nd")
    ]
    public void AnAttributeBecomesALabel(string attribute, string expected) =>
        Assert.Equal(expected, PrometheusNames.Label(attribute));
}
