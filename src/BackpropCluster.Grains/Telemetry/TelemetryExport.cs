using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>Sends spans and metrics to an OTLP endpoint, as the standard <c>OTEL_*</c> variables say; nothing is sent
/// unless one names it.</summary>
/// <remarks>One for each process: listeners are process-wide, and two would send everything twice. A collector that is
/// down or slow is waited for by a thread of the exporter's own, whose queue is bounded.</remarks>
public sealed class TelemetryExport : IDisposable
{
    // A traced step's spans come at once, up to trace.max_spans of them: the usual queue of 2,048 would drop the second
    // of two steps.
    private const int QueueSize = 16_384;

    private const string All = "OTEL_EXPORTER_OTLP_ENDPOINT";

    private readonly TracerProvider? traces;
    private readonly MeterProvider? metrics;

    private TelemetryExport(TracerProvider? traces, MeterProvider? metrics) =>
        (this.traces, this.metrics) = (traces, metrics);

    /// <summary>Where spans and metrics are to go; the one for all signals stands for those without a variable of their
    /// own.</summary>
    /// <exception cref="EndpointException">A variable holds no address that could be sent to.</exception>
    public static IReadOnlyList<Uri> Endpoints() =>
        Environment.GetEnvironmentVariable("OTEL_SDK_DISABLED") == "true"
            ? []
            : [.. new[] { All, Variable("TRACES"), Variable("METRICS") }.Select(Endpoint).OfType<Uri>().Distinct()];

    /// <param name="instance">The silo's name, or the machine's.</param>
    /// <param name="orleans">Whether Orleans' own spans are sent too.</param>
    /// <returns><see langword="null"/> where no endpoint is named.</returns>
    /// <exception cref="EndpointException">A variable holds no address that could be sent to.</exception>
    public static TelemetryExport? FromEnvironment(string instance, bool orleans = false)
    {
        if (Endpoints().Count == 0)
            return null;
        var any = IsSet(All);
        var (sendsTraces, sendsMetrics) = (any || IsSet(Variable("TRACES")), any || IsSet(Variable("METRICS")));
        return sendsTraces || sendsMetrics
            ? new TelemetryExport(
                sendsTraces ? Traces(instance, orleans) : null,
                sendsMetrics ? Meters(instance) : null
            )
            : null;
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
        if (Endpoint(Variable(signal)) is { } endpoint)
            options.Endpoint = endpoint;
        if (!IsSet("OTEL_EXPORTER_OTLP_PROTOCOL"))
            options.Protocol = OtlpExportProtocol.HttpProtobuf;
    }

    private static TracerProvider Traces(string instance, bool orleans) =>
        Sdk.CreateTracerProviderBuilder()
            .ConfigureResource(resource =>
                resource.AddService(
                    "backprop",
                    serviceVersion: Clustering.ClusterSilo.ProgramVersion,
                    serviceInstanceId: instance
                )
            )
            .AddSource(orleans ? [Spans.SourceName, OrleansSpans.Sources] : [Spans.SourceName])
            .SetSampler(orleans ? OrleansSpans.Sampler : new AlwaysOnSampler())
            .AddOtlpExporter(options =>
            {
                Http(options, "TRACES");
                if (!IsSet("OTEL_BSP_MAX_QUEUE_SIZE"))
                    options.BatchExportProcessorOptions.MaxQueueSize = QueueSize;
            })
            .Build();

    private static MeterProvider Meters(string instance) =>
        Sdk.CreateMeterProviderBuilder()
            .ConfigureResource(resource =>
                resource.AddService(
                    "backprop",
                    serviceVersion: Clustering.ClusterSilo.ProgramVersion,
                    serviceInstanceId: instance
                )
            )
            .AddMeter(Metrics.MeterName, "Microsoft.Orleans", "System.Runtime", "otel.sdk.experimental")
            .AddOtlpExporter((options, _) => Http(options, "METRICS"))
            .Build();

    private static string Variable(string signal) => $"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT";

    // The exporter itself would send to its default in silence, or end the program.
    private static Uri? Endpoint(string variable) =>
        Environment.GetEnvironmentVariable(variable) is not { Length: > 0 } text ? null
        : Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && uri.Host.Length > 0
            ? uri
        : throw new EndpointException(variable);

    private static bool IsSet(string variable) => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(variable));
}

/// <summary>A variable that says where telemetry goes holds no address.</summary>
/// <remarks>Its value is not quoted: an address may hold a password.</remarks>
public sealed class EndpointException(string variable)
    : Exception($"{variable} holds no address, expected http://host:port or https://host:port.")
{
    public string Variable => variable;
}
