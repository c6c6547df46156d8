using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Tests.Dashboards;

/// <summary>A metric that a dashboard may ask for.</summary>
/// <param name="Meter">Whose it is.</param>
/// <param name="Name">The instrument's.</param>
/// <param name="Kind">What it is to Prometheus.</param>
/// <param name="Unit">The instrument's; empty where it has none.</param>
/// <param name="Attributes">Its labels, and behind each with few fixed values those; <c>?</c> behind one that an
/// undisturbed run has not.</param>
internal sealed record KnownMetric(string Meter, string Name, MetricKind Kind, string Unit, string Attributes)
{
    /// <summary>Whether it appears only once something has happened, mostly something bad, so that a query must do
    /// without it.</summary>
    public bool OnlyAfterAnEvent { get; init; }

    /// <summary>Whether that is certain to have happened when a silo was lost and another one came.</summary>
    public bool CertainAfterALoss { get; init; } = true;

    public IEnumerable<string> Labels =>
        Attributes.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(attribute => attribute.Split(':')[0]);

    /// <summary>The fixed values of a label; none where they are not ours to fix.</summary>
    public IEnumerable<(string Value, bool InAQuietRun)> ValuesOf(string label) =>
        Attributes
            .Split(' ')
            .Where(attribute => attribute.StartsWith(label + ":", StringComparison.Ordinal))
            .SelectMany(attribute => attribute.Split(':')[1].Split(','))
            .Select(value => (value.TrimEnd('?'), !value.EndsWith('?')));

    public string[] Series => PrometheusNames.Series(Name, Unit, Kind);

    /// <summary>The labels of one of its series.</summary>
    public IEnumerable<string> LabelsOf(string series)
    {
        // Every series has the first two, from service.name and service.instance.id.
        IEnumerable<string> labels = ["job", "instance", .. Labels];
        return series.EndsWith("_bucket", StringComparison.Ordinal) ? labels.Append("le") : labels;
    }
}

/// <summary>All that the dashboards may ask for. Tests compare our own with the program's list, and the rest with a
/// silo that runs.</summary>
internal static class KnownMetrics
{
    private const string Orleans = "Microsoft.Orleans";
    private const string Runtime = "System.Runtime";

    public static IReadOnlyList<KnownMetric> Ours { get; } =
    [
        Our("backprop.steps", MetricKind.Counter, "{step}"),
        Our("backprop.rows", MetricKind.Counter, "{row}"),
        Our("backprop.loss", MetricKind.Gauge, "", "set:train,test"),
        Our("backprop.accuracy", MetricKind.Gauge, "", "set:train,test"),
        Our("backprop.step.duration", MetricKind.Histogram, "s"),
        Our("backprop.phase.duration", MetricKind.Histogram, "s", "phase:forward,backward,evaluate,save,restore"),
        Our("backprop.shard.compute", MetricKind.Histogram, "s", "phase:forward,backward,update"),
        Our("backprop.layer.wait", MetricKind.Histogram, "s", "phase:forward,backward"),
        Our("backprop.queue.wait", MetricKind.Histogram, "s"),
        Our(Metrics.Messages, MetricKind.Counter, "{message}", "kind:activations,deltas,control reach:local,remote"),
        Our(Metrics.RemoteBytes, MetricKind.Counter, "By", "kind:activations,deltas,control"),
        Our(Metrics.Crossings, MetricKind.Counter, "{array}", "kind:activations,deltas,control"),
        Our("backprop.checkpoints", MetricKind.Counter, "{checkpoint}", "outcome:written,failed"),
        Our("backprop.recoveries", MetricKind.Counter, "{recovery}"),
        Our("backprop.takeovers", MetricKind.Counter, "{takeover}"),
        Our("backprop.steps.replayed", MetricKind.Counter, "{step}"),
        Our("backprop.moves", MetricKind.Counter, "{move}"),
        Our("backprop.messages.stale", MetricKind.Counter, "{message}"),
        Our("backprop.spans", MetricKind.Counter, "{span}", "fate:kept,rolled_up?"),
        Our(Metrics.Actors, MetricKind.Gauge, "{actor}"),
        Our(Metrics.Silos, MetricKind.Gauge, "{silo}"),
    ];

    /// <summary>Names, kinds and units as they are published, which is not always what is documented: the thread pool's
    /// queue is a counter.</summary>
    public static IReadOnlyList<KnownMetric> Others { get; } =
    [
        new(Orleans, "orleans-app-requests-latency", MetricKind.Histogram, "ms", ""),
        new(Orleans, "orleans-app-requests-timedout", MetricKind.Counter, "", "")
        {
            OnlyAfterAnEvent = true,
            CertainAfterALoss = false,
        },
        new(Orleans, "orleans-app-requests-canceled", MetricKind.Counter, "", "grain_type")
        {
            OnlyAfterAnEvent = true,
            CertainAfterALoss = false,
        },
        new(Orleans, "orleans-catalog-activation-created", MetricKind.Counter, "", "grain_type"),
        new(Orleans, "orleans-gateway-connected-clients", MetricKind.UpDownCounter, "", ""),
        new(Orleans, "orleans-grains", MetricKind.UpDownCounter, "", "grain_type"),
        new(Orleans, "orleans-messaging-expired", MetricKind.Counter, "", "")
        {
            OnlyAfterAnEvent = true,
            CertainAfterALoss = false,
        },
        new(Orleans, "orleans-messaging-pings-reply-missed", MetricKind.Counter, "", "Destination")
        {
            OnlyAfterAnEvent = true,
            CertainAfterALoss = false,
        },
        new(Orleans, "orleans-messaging-pings-sent", MetricKind.Counter, "", "Destination"),
        new(Orleans, "orleans-messaging-processing-dispatcher-processed", MetricKind.Counter, "", "Direction Status"),
        new(
            Orleans,
            "orleans-messaging-received-messages-size",
            MetricKind.Histogram,
            "bytes",
            "ConnectionDirection MessageDirection silo"
        ),
        new(Orleans, "orleans-messaging-rejected", MetricKind.Counter, "", "Direction")
        {
            OnlyAfterAnEvent = true,
            CertainAfterALoss = false,
        },
        new(Orleans, "orleans-messaging-rerouted", MetricKind.Counter, "", "Direction")
        {
            OnlyAfterAnEvent = true,
            CertainAfterALoss = false,
        },
        new(Orleans, "orleans-messaging-sent-dropped", MetricKind.Counter, "", "Direction")
        {
            OnlyAfterAnEvent = true,
            CertainAfterALoss = false,
        },
        new(Orleans, "orleans-messaging-sent-failed", MetricKind.Counter, "", "Direction")
        {
            OnlyAfterAnEvent = true,
            CertainAfterALoss = false,
        },
        new(
            Orleans,
            "orleans-messaging-sent-messages-size",
            MetricKind.Histogram,
            "bytes",
            "ConnectionDirection MessageDirection silo"
        ),
        new(Orleans, "orleans-networking-sockets-closed", MetricKind.Counter, "", "Direction"),
        new(Orleans, "orleans-networking-sockets-opened", MetricKind.Counter, "", "Direction"),
        new(Orleans, "orleans-scheduler-long-running-turns", MetricKind.Counter, "", "")
        {
            OnlyAfterAnEvent = true,
            CertainAfterALoss = false,
        },
        new(Orleans, "orleans-watchdog-health-checks-failed", MetricKind.Counter, "", "")
        {
            OnlyAfterAnEvent = true,
            CertainAfterALoss = false,
        },
        new(Runtime, "dotnet.exceptions", MetricKind.Counter, "{exception}", "error_type"),
        new(Runtime, "dotnet.gc.collections", MetricKind.Counter, "{collection}", "gc_heap_generation"),
        new(Runtime, "dotnet.gc.heap.total_allocated", MetricKind.Counter, "By", ""),
        new(
            Runtime,
            "dotnet.gc.last_collection.heap.fragmentation.size",
            MetricKind.UpDownCounter,
            "By",
            "gc_heap_generation"
        ),
        new(Runtime, "dotnet.gc.last_collection.heap.size", MetricKind.UpDownCounter, "By", "gc_heap_generation"),
        new(Runtime, "dotnet.gc.pause.time", MetricKind.Counter, "s", ""),
        new(Runtime, "dotnet.jit.compilation.time", MetricKind.Counter, "s", ""),
        new(Runtime, "dotnet.monitor.lock_contentions", MetricKind.Counter, "{contention}", ""),
        new(Runtime, "dotnet.process.cpu.count", MetricKind.UpDownCounter, "{cpu}", ""),
        new(Runtime, "dotnet.process.cpu.time", MetricKind.Counter, "s", "cpu_mode"),
        new(Runtime, "dotnet.process.memory.working_set", MetricKind.UpDownCounter, "By", ""),
        new(Runtime, "dotnet.thread_pool.queue.length", MetricKind.Counter, "{work_item}", ""),
        new(Runtime, "dotnet.thread_pool.thread.count", MetricKind.Counter, "{thread}", ""),
    ];

    /// <summary>Each metric by the names of its series.</summary>
    public static IReadOnlyDictionary<string, KnownMetric> BySeries { get; } =
        Ours.Concat(Others)
            .SelectMany(metric => metric.Series.Select(series => (series, metric)))
            .ToDictionary(pair => pair.series, pair => pair.metric);

    private static KnownMetric Our(string name, MetricKind kind, string unit, string attributes = "") =>
        new(Metrics.MeterName, name, kind, unit, attributes);
}
