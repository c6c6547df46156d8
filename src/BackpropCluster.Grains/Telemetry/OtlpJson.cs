using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>Writes spans as OTLP/JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding</summary>
/// <remarks>Protobuf's JSON mapping with two rules of OTLP's own: ids are hexadecimal, not base64, and enumerations are
/// numbers, not names. 64-bit whole numbers are decimal strings. Fields that hold their default are left out. Written
/// by hand because it runs beside the training: the serializer took twice the time and ten times the memory.</remarks>
public static class OtlpJson
{
    /// <summary>Compact, and with every control character escaped: what is written is one line. That objects end in
    /// order is for the tests to see: looking at each took a tenth of the time.</summary>
    private static readonly JsonWriterOptions Compact = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };

    /// <summary>One ExportTraceServiceRequest as one line of UTF-8, its line feed included: written with a single call,
    /// a crash can tear only the last line of a file.</summary>
    /// <param name="line">Gets the line behind what is there already.</param>
    /// <param name="spans">Spans of any traces, in any order.</param>
    /// <param name="resource">Who recorded them all; the spans' own resources are not looked at.</param>
    public static void WriteLine(IBufferWriter<byte> line, IEnumerable<TraceSpan> spans, TraceResource resource)
    {
        using (var json = new Utf8JsonWriter(line, Compact))
            Request(json, [(resource, spans)]);
        line.Write("\n"u8);
    }

    /// <summary>One document of all spans, each under its own resource, as Jaeger's search page takes it.</summary>
    public static void Document(Stream output, IEnumerable<TraceSpan> spans)
    {
        using var json = new Utf8JsonWriter(output, Compact);
        Request(json, [.. spans.GroupBy(s => s.Resource).Select(s => (s.Key, s.AsEnumerable()))]);
    }

    private static void Request(Utf8JsonWriter json, (TraceResource, IEnumerable<TraceSpan>)[] resources)
    {
        json.WriteStartObject();
        Each(json, "resourceSpans"u8, resources, ResourceSpans);
        json.WriteEndObject();
    }

    private static void ResourceSpans(Utf8JsonWriter json, (TraceResource Resource, IEnumerable<TraceSpan> Spans) of)
    {
        json.WriteStartObject("resource"u8);
        Attributes(json, of.Resource.Attributes);
        json.WriteEndObject();
        Each(json, "scopeSpans"u8, [.. of.Spans.GroupBy(s => s.Scope)], ScopeSpans);
    }

    private static void ScopeSpans(Utf8JsonWriter json, IGrouping<string, TraceSpan> ofScope)
    {
        json.WriteStartObject("scope"u8);
        json.WriteString("name"u8, ofScope.Key);
        json.WriteEndObject();
        Each(json, "spans"u8, [.. ofScope], Span);
    }

    private static void Span(Utf8JsonWriter json, TraceSpan span)
    {
        json.WriteString("traceId"u8, span.TraceId);
        json.WriteString("spanId"u8, span.SpanId);
        if (span.ParentSpanId is not null)
            json.WriteString("parentSpanId"u8, span.ParentSpanId);
        json.WriteString("name"u8, span.Name);
        json.WriteNumber("kind"u8, (int)span.Kind);
        DecimalString<ulong>.Write(json, "startTimeUnixNano"u8, span.StartUnixNano);
        DecimalString<ulong>.Write(json, "endTimeUnixNano"u8, span.EndUnixNano);
        Attributes(json, span.Attributes);
        Each(json, "events"u8, span.Events, Event);
        Each(json, "links"u8, span.Links, Link);
        if (span.Status == default)
            return;
        json.WriteStartObject("status"u8);
        if (span.Status.Message is { } message)
            json.WriteString("message"u8, message);
        json.WriteNumber("code"u8, (int)span.Status.Code);
        json.WriteEndObject();
    }

    private static void Event(Utf8JsonWriter json, TraceEvent e)
    {
        DecimalString<ulong>.Write(json, "timeUnixNano"u8, e.TimeUnixNano);
        json.WriteString("name"u8, e.Name);
        Attributes(json, e.Attributes);
    }

    private static void Link(Utf8JsonWriter json, TraceLink link)
    {
        json.WriteString("traceId"u8, link.TraceId);
        json.WriteString("spanId"u8, link.SpanId);
        Attributes(json, link.Attributes);
    }

    // Not by Each: most of a line is attributes, and a call through a delegate for each took a twelfth of the time.
    private static void Attributes(Utf8JsonWriter json, IReadOnlyList<TraceAttribute> attributes)
    {
        if (attributes.Count == 0)
            return;
        json.WriteStartArray("attributes"u8);
        for (var i = 0; i < attributes.Count; i++)
        {
            json.WriteStartObject();
            json.WriteString("key"u8, attributes[i].Key);
            json.WriteStartObject("value"u8);
            Value(json, attributes[i].Value);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Value(Utf8JsonWriter json, TraceValue value)
    {
        switch (value)
        {
            case { Text: { } text }:
                json.WriteString("stringValue"u8, text);
                break;
            case { Whole: { } whole }:
                DecimalString<long>.Write(json, "intValue"u8, whole);
                break;
            case { Real: { } real } when double.IsFinite(real):
                json.WriteNumber("doubleValue"u8, real);
                break;
            case { Real: { } real }:
                json.WriteString("doubleValue"u8, real.ToString(CultureInfo.InvariantCulture));
                break;
            case { Truth: { } truth }:
                json.WriteBoolean("boolValue"u8, truth);
                break;
            default:
                json.WriteStartObject("arrayValue"u8);
                Each(json, "values"u8, value.Items!, Value);
                json.WriteEndObject();
                break;
        }
    }

    /// <summary>A field that holds an object for each item, and that is not there without any.</summary>
    private static void Each<T>(
        Utf8JsonWriter json,
        ReadOnlySpan<byte> name,
        IReadOnlyList<T> items,
        Action<Utf8JsonWriter, T> fields
    )
    {
        if (items.Count == 0)
            return;
        json.WriteStartArray(name);
        for (var i = 0; i < items.Count; i++)
        {
            json.WriteStartObject();
            fields(json, items[i]);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
