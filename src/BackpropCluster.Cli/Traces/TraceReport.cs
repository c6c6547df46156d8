using System.Text.Json;
using System.Text.Json.Serialization;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Traces;

/// <summary>What <c>trace show --json</c> prints: one object on one line.</summary>
/// <remarks>Starts count from the trace's first span, in microseconds; every attribute and link is whole.</remarks>
internal sealed record TraceReport(
    string Run,
    long Step,
    IReadOnlyList<long> Steps,
    IEnumerable<TraceReport.Trace> Traces,
    IReadOnlyList<string> Warnings
)
{
    private const decimal NanosecondsPerMicrosecond = 1000;

    public static void Write(
        Stream output,
        TraceFile file,
        IReadOnlyList<RecordedTrace> traces,
        IReadOnlyList<TraceSpan> spans
    ) =>
        JsonSerializer.Serialize(
            output,
            new TraceReport(
                file.Run,
                traces[0].Step!.Value,
                file.Steps,
                traces.Select(t => Of(t, TraceTree.Of(spans.Where(s => s.TraceId == t.TraceId)))),
                file.Warnings
            ),
            TraceJson.Readable.TraceReport
        );

    private static Trace Of(RecordedTrace trace, List<TraceRow> rows)
    {
        return new Trace(
            trace.TraceId,
            trace.Root is not null && !rows.Exists(r => r.IsOrphan),
            rows.Select(row => new Span(
                row.Span.Name,
                row.Depth,
                row.Span.SpanId,
                row.Span.ParentSpanId,
                SinceStart(row.Span.StartUnixNano),
                row.Span.DurationNano / NanosecondsPerMicrosecond,
                row.Span.Silo,
                row.Span.Status.Code == TraceStatusCode.Error ? row.Span.Status.Message ?? "" : null,
                row.Span.Attributes,
                row.Span.Events.Select(e => new Event(e.Name, SinceStart(e.TimeUnixNano), e.Attributes)),
                row.Span.Links.Select(l => new Link(l.TraceId, l.SpanId))
            ))
        );

        decimal SinceStart(ulong unixNano) => (long)(unixNano - trace.StartUnixNano) / NanosecondsPerMicrosecond;
    }

    internal sealed record Trace(string TraceId, bool Complete, IEnumerable<Span> Spans);

    internal sealed record Span(
        string Name,
        int Depth,
        string SpanId,
        string? ParentSpanId,
        decimal StartMicroseconds,
        decimal DurationMicroseconds,
        string Silo,
        string? Error,
        [property: JsonConverter(typeof(PlainAttributes))] IReadOnlyList<TraceAttribute> Attributes,
        IEnumerable<Event> Events,
        IEnumerable<Link> Links
    );

    internal sealed record Event(
        string Name,
        decimal AtMicroseconds,
        [property: JsonConverter(typeof(PlainAttributes))] IReadOnlyList<TraceAttribute> Attributes
    );

    internal sealed record Link(string TraceId, string SpanId);
}
