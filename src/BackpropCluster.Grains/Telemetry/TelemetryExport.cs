using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>Sends spans and metrics to an OTLP endpoint, as the standard <c>OTEL_*</c> variables say; nothing is sent unless one names it.</summary>
/// <remarks>One for each process: listeners are process-wide, and two would send everything twice. A collector that is down or slow is
/// waited for by a thread of the exporter's own, whose queue is bounded.</remarks>
public sealed class TelemetryExport : IDisposable
{
    // A traced step's spans come at once, up to trace.max_spans of them: the usual queue of 2,048 would drop the second of two steps.
    private const int QueueSize = 16_384;

    private readonly TracerProvider? traces;
    private readonly MeterProvider? metrics;

    private TelemetryExport(TracerProvider? traces, MeterProvider? metrics) => (this.traces, this.metrics) = (traces, metrics);

    /// <param name="instance">The silo's name, or the machine's.</param>
    /// <param name="orleans">Whether Orleans' own spans are sent too.</param>
    /// <returns><see langword="null"/> where no endpoint is named.</returns>
    public static TelemetryExport? FromEnvironment(string instance, bool orleans = false)
    {
        if (IsSet("OTEL_SDK_DISABLED") && Environment.GetEnvironmentVariable("OTEL_SDK_DISABLED") == "true") return null;
        var any = IsSet("OTEL_EXPORTER_OTLP_ENDPOINT");
        var (sendsTraces, sendsMetrics) = (any || IsSet("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), any || IsSet("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"));
        return sendsTraces || sendsMetrics ? new TelemetryExport(sendsTraces ? Traces(instance, orleans) : null, sendsMetrics ? Meters(instance) : null) : null;
    }

    public void Dispose()
    {
        // Each waits five seconds for a collector that hangs: at the same time, since somebody waits for the prompt.
        Parallel.Invoke(() => traces?.Dispose(), () => metrics?.Dispose());
    }

    // HTTP unless a variable says otherwise: the same for every collector, and through every proxy.
    private static void Http(OtlpExporterOptions options, string signal)
    {
        // The exporter reads the variable for all signals only.
        if (Environment.GetEnvironmentVariable($"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") is { Length: > 0 } endpoint) options.Endpoint = new Uri(endpoint);
        if (!IsSet("OTEL_EXPORTER_OTLP_PROTOCOL")) options.Protocol = OtlpExportProtocol.HttpProtobuf;
    }

    private static TracerProvider Traces(string instance, bool orleans) => Sdk.CreateTracerProviderBuilder()
        .ConfigureResource(resource => resource.AddService("backprop", serviceVersion: Clustering.ClusterSilo.ProgramVersion, serviceInstanceId: instance))
        .AddSource(orleans ? [Spans.SourceName, OrleansSpans.Sources] : [Spans.SourceName])
        .SetSampler(orleans ? OrleansSpans.Sampler : new AlwaysOnSampler())
        .AddOtlpExporter(options =>
        {
            Http(options, "TRACES");
            if (!IsSet("OTEL_BSP_MAX_QUEUE_SIZE")) options.BatchExportProcessorOptions.MaxQueueSize = QueueSize;
        })
        .Build();

    private static MeterProvider Meters(string instance) => Sdk.CreateMeterProviderBuilder()
        .ConfigureResource(resource => resource.AddService("backprop", serviceVersion: Clustering.ClusterSilo.ProgramVersion, serviceInstanceId: instance))
        .AddMeter(Metrics.MeterName, "Microsoft.Orleans", "System.Runtime", "otel.sdk.experimental")
        .AddOtlpExporter((options, _) => Http(options, "METRICS"))
        .Build();

    private static bool IsSet(string variable) => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(variable));
}
