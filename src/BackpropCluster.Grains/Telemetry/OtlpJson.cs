using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>Writes spans as OTLP/JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding</summary>
/// <remarks>Protobuf's JSON mapping with two rules of OTLP's own: ids are hexadecimal, not base64, and enumerations are
/// numbers, not names. 64-bit whole numbers are decimal strings. Fields that hold their default are left out.</remarks>
public static class OtlpJson
{
    private const int FirstBufferBytes = 16 * 1024;
    private const int MaxDecimalDigits = 20;

    /// <summary>Compact, and with every control character escaped: what is written is one line. That objects end in
    /// order is for the tests to see: looking at each took a tenth of the time.</summary>
    public static JsonWriterOptions Compact { get; } =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    /// <summary>One ExportTraceServiceRequest as one line of UTF-8, its line feed included: written with a single call,
    /// a crash can tear only the last line of a file.</summary>
    /// <param name="spans">Spans of any traces, in any order; those of one scope best side by side.</param>
    /// <param name="resource">Who recorded them all; the spans' own resources are not looked at.</param>
    public static ReadOnlyMemory<byte> Line(IEnumerable<TraceSpan> spans, TraceResource resource)
    {
        var line = new ArrayBufferWriter<byte>(FirstBufferBytes);
        WriteLine(line, spans, resource);
        return line.WrittenMemory;
    }

    /// <summary>As <see cref="Line"/>, behind what is there already.</summary>
    public static void WriteLine(IBufferWriter<byte> line, IEnumerable<TraceSpan> spans, TraceResource resource)
    {
        using (var json = new Utf8JsonWriter(line, Compact))
        {
            json.WriteStartObject();
            json.WriteStartArray("resourceSpans"u8);
            ResourceSpans(json, spans, resource);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        line.Write("\n"u8);
    }

    /// <summary>One document of all spans, each under its own resource, as Jaeger's search page takes it.</summary>
    public static void Document(Stream output, IEnumerable<TraceSpan> spans)
    {
        using var json = new Utf8JsonWriter(output, Compact);
        json.WriteStartObject();
        json.WriteStartArray("resourceSpans"u8);
        foreach (var ofResource in spans.GroupBy(s => s.Resource))
            ResourceSpans(json, ofResource, ofResource.Key);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void ResourceSpans(Utf8JsonWriter json, IEnumerable<TraceSpan> spans, TraceResource resource)
    {
        json.WriteStartObject();
        json.WriteStartObject("resource"u8);
        Attributes(json, resource.Attributes);
        json.WriteEndObject();
        json.WriteStartArray("scopeSpans"u8);
        string? scope = null;
        foreach (var span in spans)
        {
            if (span.Scope != scope)
            {
                if (scope is not null)
                    EndScope();
                scope = span.Scope;
                json.WriteStartObject();
                json.WriteStartObject("scope"u8);
                json.WriteString("name"u8, scope);
                json.WriteEndObject();
                json.WriteStartArray("spans"u8);
            }

            Span(json, span);
        }

        if (scope is not null)
            EndScope();
        json.WriteEndArray();
        json.WriteEndObject();

        void EndScope()
        {
            json.WriteEndArray();
            json.WriteEndObject();
        }
    }

    private static void Span(Utf8JsonWriter json, TraceSpan span)
    {
        json.WriteStartObject();
        json.WriteString("traceId"u8, span.TraceId);
        json.WriteString("spanId"u8, span.SpanId);
        if (span.ParentSpanId is not null)
            json.WriteString("parentSpanId"u8, span.ParentSpanId);
        json.WriteString("name"u8, span.Name);
        json.WriteNumber("kind"u8, (int)span.Kind);
        Decimal(json, "startTimeUnixNano"u8, span.StartUnixNano);
        Decimal(json, "endTimeUnixNano"u8, span.EndUnixNano);
        Attributes(json, span.Attributes);
        Events(json, span.Events);
        Links(json, span.Links);
        if (span.Status != TraceStatus.Unset || span.StatusMessage is not null)
        {
            json.WriteStartObject("status"u8);
            if (span.StatusMessage is not null)
                json.WriteString("message"u8, span.StatusMessage);
            json.WriteNumber("code"u8, (int)span.Status);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void Events(Utf8JsonWriter json, IReadOnlyList<TraceEvent> events)
    {
        if (events.Count == 0)
            return;
        json.WriteStartArray("events"u8);
        foreach (var e in events)
        {
            json.WriteStartObject();
            Decimal(json, "timeUnixNano"u8, e.TimeUnixNano);
            json.WriteString("name"u8, e.Name);
            Attributes(json, e.Attributes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Links(Utf8JsonWriter json, IReadOnlyList<TraceLink> links)
    {
        if (links.Count == 0)
            return;
        json.WriteStartArray("links"u8);
        foreach (var link in links)
        {
            json.WriteStartObject();
            json.WriteString("traceId"u8, link.TraceId);
            json.WriteString("spanId"u8, link.SpanId);
            Attributes(json, link.Attributes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Attributes(Utf8JsonWriter json, IReadOnlyList<TraceAttribute> attributes)
    {
        if (attributes.Count == 0)
            return;
        json.WriteStartArray("attributes"u8);
        foreach (var attribute in attributes)
        {
            json.WriteStartObject();
            json.WriteString("key"u8, attribute.Key);
            json.WritePropertyName("value"u8);
            Value(json, attribute.Value);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Value(Utf8JsonWriter json, TraceValue value)
    {
        json.WriteStartObject();
        switch (value.Kind)
        {
            case TraceValueKind.Text:
                json.WriteString("stringValue"u8, value.Text);
                break;
            case TraceValueKind.Whole:
                Decimal(json, "intValue"u8, value.Whole);
                break;
            case TraceValueKind.Truth:
                json.WriteBoolean("boolValue"u8, value.Truth);
                break;
            case TraceValueKind.Real:
                json.WritePropertyName("doubleValue"u8);
                PlainJson.Real(json, value.Real);
                break;
            default:
                json.WriteStartObject("arrayValue"u8);
                json.WriteStartArray("values"u8);
                foreach (var item in value.Items)
                    Value(json, item);
                json.WriteEndArray();
                json.WriteEndObject();
                break;
        }

        json.WriteEndObject();
    }

    private static void Decimal<T>(Utf8JsonWriter json, ReadOnlySpan<byte> name, T number)
        where T : IUtf8SpanFormattable
    {
        Span<byte> digits = stackalloc byte[MaxDecimalDigits];
        number.TryFormat(digits, out var length, default, CultureInfo.InvariantCulture);
        json.WriteString(name, digits[..length]);
    }
}
