using System.Globalization;
using System.Text;
using System.Text.Json;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Traces;

/// <summary>Writes the JSON of Jaeger's own interface, which its search page also takes from a file.</summary>
/// <remarks>Its times are whole microseconds. Start and end are both rounded down, so that a span which lies inside its
/// parent still does; what is shorter than a microsecond may show as nothing. A reference is written only where the
/// span that it names is written too.</remarks>
internal static class JaegerJson
{
    private const ulong NanosecondsPerMicrosecond = 1000;

    public static void Write(Stream output, IReadOnlyList<TraceSpan> spans)
    {
        using var json = new Utf8JsonWriter(output, OtlpJson.Compact);
        var known = spans.Select(s => (s.TraceId, s.SpanId)).ToHashSet();
        json.WriteStartObject();
        json.WriteStartArray("data"u8);
        foreach (var trace in spans.GroupBy(s => s.TraceId).OrderBy(t => t.Min(s => s.StartUnixNano)))
            Trace(json, [.. TraceTree.Of(trace).Select(r => r.Span)], known);
        json.WriteEndArray();
        json.WriteNumber("total"u8, 0);
        json.WriteNumber("limit"u8, 0);
        json.WriteNumber("offset"u8, 0);
        json.WriteNull("errors"u8);
        json.WriteEndObject();
    }

    private static void Trace(Utf8JsonWriter json, List<TraceSpan> spans, HashSet<(string Trace, string Span)> known)
    {
        List<TraceResource> processes =
        [
            .. spans.Select(s => s.Resource).Distinct().OrderBy(r => r.Instance, StringComparer.Ordinal),
        ];
        json.WriteStartObject();
        json.WriteString("traceID"u8, spans[0].TraceId);
        json.WriteStartArray("spans"u8);
        foreach (var span in spans)
            Span(json, span, ProcessId(processes.IndexOf(span.Resource)), known);
        json.WriteEndArray();
        json.WriteStartObject("processes"u8);
        for (var i = 0; i < processes.Count; i++)
        {
            json.WriteStartObject(ProcessId(i));
            json.WriteString("serviceName"u8, processes[i].Service);
            Tags(json, "tags", processes[i].Others);
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteNull("warnings"u8);
        json.WriteEndObject();
    }

    private static string ProcessId(int index) => string.Create(CultureInfo.InvariantCulture, $"p{index + 1}");

    private static void Span(
        Utf8JsonWriter json,
        TraceSpan span,
        string process,
        HashSet<(string Trace, string Span)> known
    )
    {
        var warnings = new List<string>();
        json.WriteStartObject();
        json.WriteString("traceID"u8, span.TraceId);
        json.WriteString("spanID"u8, span.SpanId);
        json.WriteNumber("flags"u8, 1);
        json.WriteString("operationName"u8, span.Name);
        json.WriteStartArray("references"u8);
        // The parent first: Jaeger takes the first reference for it, of whatever kind.
        if (span.ParentSpanId is not null)
            Reference(json, "CHILD_OF", span.TraceId, span.ParentSpanId, known, warnings);
        foreach (var link in span.Links)
            Reference(json, "FOLLOWS_FROM", link.TraceId, link.SpanId, known, warnings);
        json.WriteEndArray();
        json.WriteNumber("startTime"u8, span.StartUnixNano / NanosecondsPerMicrosecond);
        json.WriteNumber(
            "duration"u8,
            (span.EndUnixNano / NanosecondsPerMicrosecond) - (span.StartUnixNano / NanosecondsPerMicrosecond)
        );
        Tags(json, "tags", span.Attributes.Concat(OwnTags(span)));
        json.WriteStartArray("logs"u8);
        foreach (var e in span.Events)
        {
            json.WriteStartObject();
            json.WriteNumber("timestamp"u8, e.TimeUnixNano / NanosecondsPerMicrosecond);
            Tags(json, "fields", e.Attributes.Prepend(TraceAttribute.Of("event", e.Name)));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("processID"u8, process);
        json.WriteStartArray("warnings"u8);
        foreach (var warning in warnings)
            json.WriteStringValue(warning);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Reference(
        Utf8JsonWriter json,
        string type,
        string trace,
        string span,
        HashSet<(string Trace, string Span)> known,
        List<string> warnings
    )
    {
        if (!known.Contains((trace, span)))
        {
            warnings.Add($"{type} span {span} of trace {trace}, which is not in this file");
            return;
        }

        json.WriteStartObject();
        json.WriteString("refType"u8, type);
        json.WriteString("traceID"u8, trace);
        json.WriteString("spanID"u8, span);
        json.WriteEndObject();
    }

    // What Jaeger keeps as tags: kind, status and scope have no place of their own in its model.
    private static IEnumerable<TraceAttribute> OwnTags(TraceSpan span)
    {
        if (span.Kind != TraceSpanKind.Unspecified)
            yield return TraceAttribute.Of("span.kind", WordOf(span.Kind));
        if (span.Scope.Length > 0)
            yield return TraceAttribute.Of("otel.scope.name", span.Scope);
        if (span.Status != TraceStatus.Unset)
            yield return TraceAttribute.Of("otel.status_code", span.Status == TraceStatus.Ok ? "OK" : "ERROR");
        if (span.Status == TraceStatus.Error)
            yield return new TraceAttribute("error", TraceValue.Of(true));
        if (span.StatusMessage is not null)
            yield return TraceAttribute.Of("otel.status_description", span.StatusMessage);
    }

    private static string WordOf(TraceSpanKind kind) =>
        kind switch
        {
            TraceSpanKind.Server => "server",
            TraceSpanKind.Client => "client",
            TraceSpanKind.Producer => "producer",
            TraceSpanKind.Consumer => "consumer",
            _ => "internal",
        };

    private static void Tags(Utf8JsonWriter json, string name, IEnumerable<TraceAttribute> attributes)
    {
        json.WriteStartArray(name);
        foreach (var attribute in attributes)
        {
            json.WriteStartObject();
            json.WriteString("key"u8, attribute.Key);
            json.WriteString(
                "type"u8,
                attribute.Value.Kind switch
                {
                    TraceValueKind.Whole => "int64",
                    TraceValueKind.Real when double.IsFinite(attribute.Value.Real) => "float64",
                    TraceValueKind.Truth => "bool",
                    _ => "string",
                }
            );
            json.WritePropertyName("value"u8);
            // Jaeger's tags have no lists: one goes as the text of its JSON.
            if (attribute.Value.Kind == TraceValueKind.List)
                json.WriteStringValue(TextOf(attribute.Value));
            else
                PlainJson.Value(json, attribute.Value);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static string TextOf(TraceValue list)
    {
        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text, OtlpJson.Compact))
            PlainJson.Value(json, list);
        return Encoding.UTF8.GetString(text.ToArray());
    }
}
