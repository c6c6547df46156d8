using System.Text.Json;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Traces;

/// <summary>What <c>trace show --json</c> prints.</summary>
internal static class TraceReport
{
    private const decimal NanosecondsPerMicrosecond = 1000;

    /// <summary>One object on one line. Starts count from the trace's first span, in microseconds; every attribute and
    /// link is whole.</summary>
    public static void Write(
        Stream output,
        TraceFile file,
        IReadOnlyList<RecordedTrace> traces,
        IReadOnlyList<TraceSpan> spans
    )
    {
        using var json = new Utf8JsonWriter(output, OtlpJson.Compact);
        json.WriteStartObject();
        json.WriteString("run"u8, file.Run);
        json.WriteNumber("step"u8, traces[0].Step!.Value);
        json.WriteStartArray("steps"u8);
        foreach (var step in file.Steps)
            json.WriteNumberValue(step);
        json.WriteEndArray();
        json.WriteStartArray("traces"u8);
        foreach (var trace in traces)
            Trace(json, trace, TraceTree.Of(spans.Where(s => s.TraceId == trace.TraceId)));
        json.WriteEndArray();
        json.WriteStartArray("warnings"u8);
        foreach (var warning in file.Warnings)
            json.WriteStringValue(warning);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Trace(Utf8JsonWriter json, RecordedTrace trace, List<TraceRow> rows)
    {
        json.WriteStartObject();
        json.WriteString("traceId"u8, trace.TraceId);
        json.WriteBoolean("complete"u8, trace.Root is not null && !rows.Exists(r => r.IsOrphan));
        json.WriteStartArray("spans"u8);
        foreach (var row in rows)
            Span(json, row, trace.StartUnixNano);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Span(Utf8JsonWriter json, TraceRow row, ulong zero)
    {
        var span = row.Span;
        json.WriteStartObject();
        json.WriteString("name"u8, span.Name);
        json.WriteNumber("depth"u8, row.Depth);
        json.WriteString("spanId"u8, span.SpanId);
        if (span.ParentSpanId is not null)
            json.WriteString("parentSpanId"u8, span.ParentSpanId);
        json.WriteNumber("startMicroseconds"u8, (long)(span.StartUnixNano - zero) / NanosecondsPerMicrosecond);
        json.WriteNumber("durationMicroseconds"u8, span.DurationNano / NanosecondsPerMicrosecond);
        json.WriteString("silo"u8, span.Silo);
        if (span.Status == TraceStatus.Error)
            json.WriteString("error"u8, span.StatusMessage ?? "");
        json.WritePropertyName("attributes"u8);
        PlainJson.Object(json, span.Attributes);
        json.WriteStartArray("events"u8);
        foreach (var e in span.Events)
        {
            json.WriteStartObject();
            json.WriteString("name"u8, e.Name);
            json.WriteNumber("atMicroseconds"u8, (long)(e.TimeUnixNano - zero) / NanosecondsPerMicrosecond);
            json.WritePropertyName("attributes"u8);
            PlainJson.Object(json, e.Attributes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("links"u8);
        foreach (var link in span.Links)
        {
            json.WriteStartObject();
            json.WriteString("traceId"u8, link.TraceId);
            json.WriteString("spanId"u8, link.SpanId);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
