using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Traces;

/// <summary>What OTLP/JSON asks of a request beyond the types of its fields, and what a trace file promises beyond
/// that: lowercase ids, named spans, times set.</summary>
/// <remarks>Fields of other names are no violation: the protocol tells receivers to ignore what they do not
/// know.</remarks>
internal static class OtlpRules
{
    private const int TraceIdDigits = 32;
    private const int SpanIdDigits = 16;

    private const string Values =
        "stringValue: a string, intValue: a decimal string, doubleValue: a number, boolValue: true or false, or "
        + "arrayValue: an object";

    /// <summary>Has every object checked when it is read: the serializer knows then where in the line it
    /// stands.</summary>
    public static void Apply(JsonTypeInfo type)
    {
        if (type.Kind == JsonTypeInfoKind.Object)
            type.OnDeserialized = Check;
    }

    /// <summary>What is expected at a path, by its last name.</summary>
    public static string ExpectedAt(string path) =>
        path[(path.LastIndexOf('.') + 1)..] switch
        {
            "traceId" => $"{TraceIdDigits} lowercase hexadecimal digits, not all zero",
            "spanId" or "parentSpanId" => $"{SpanIdDigits} lowercase hexadecimal digits, not all zero",
            "name" or "key" => "a string that is not empty",
            "message" => "a string",
            "kind" => $"a number from 0 to {(int)TraceSpanKind.Consumer}",
            "code" => $"a number from 0 to {(int)TraceStatusCode.Error}",
            "startTimeUnixNano" or "endTimeUnixNano" or "timeUnixNano" => "nanoseconds since 1970 as a decimal string",
            "stringValue" or "intValue" or "doubleValue" or "boolValue" or "arrayValue" => Values,
            "value" => $"an object of one field, {Values}",
            "resourceSpans" or "scopeSpans" or "spans" or "attributes" or "events" or "links" or "values" => "an array",
            _ => "an object",
        };

    private static void Check(object read)
    {
        switch (read)
        {
            case TraceSpan span:
                Check(span);
                break;
            case TraceEvent e:
                Require(e.TimeUnixNano > 0, "timeUnixNano");
                Require(e.Name.Length > 0, "name");
                Check(e.Attributes);
                break;
            case TraceLink link:
                Ids(link.TraceId, link.SpanId);
                Check(link.Attributes);
                break;
            case TraceStatus status:
                Require(Enum.IsDefined(status.Code), "code");
                break;
            case TraceAttribute attribute:
                Require(attribute.Key.Length > 0, "key");
                Require(attribute.Value.IsOne, "value");
                break;
            case TraceValues list:
                foreach (var (i, value) in (list.Values ?? []).Index())
                    Require(value.IsOne, $"values[{i}]");
                break;
            case TraceResource resource:
                Check(resource.Attributes);
                break;
            case TraceScope scope:
                Require(scope.Name.Length > 0, "name");
                break;
            case ScopeSpans ofScope:
                NoNull(ofScope.Spans, "spans");
                break;
            case ResourceSpans ofResource:
                NoNull(ofResource.ScopeSpans, "scopeSpans");
                break;
            case OtlpRequest request:
                NoNull(request.ResourceSpans, "resourceSpans");
                break;
        }
    }

    private static void Check(TraceSpan span)
    {
        Ids(span.TraceId, span.SpanId);
        Require(span.ParentSpanId is null || IsId(span.ParentSpanId, SpanIdDigits), "parentSpanId");
        if (span.ParentSpanId == span.SpanId)
            throw new OtlpViolation("", "is its own parent");
        Require(span.Name.Length > 0, "name");
        Require(Enum.IsDefined(span.Kind), "kind");
        Require(span.StartUnixNano > 0, "startTimeUnixNano");
        Require(span.EndUnixNano > 0, "endTimeUnixNano");
        if (span.EndUnixNano < span.StartUnixNano)
            throw new OtlpViolation(
                "endTimeUnixNano",
                $"ends {span.StartUnixNano - span.EndUnixNano:N0} ns before it starts"
            );
        Check(span.Attributes);
        NoNull(span.Events, "events");
        NoNull(span.Links, "links");
    }

    private static void Check(IReadOnlyList<TraceAttribute> attributes)
    {
        var keys = new HashSet<string>();
        foreach (var (i, attribute) in attributes.Index())
            if (!keys.Add(attribute.Key))
                throw new OtlpViolation($"attributes[{i}]", $"has the key {Excerpt.Of(attribute.Key)} a second time");
    }

    private static void Ids(string trace, string span)
    {
        Require(IsId(trace, TraceIdDigits), "traceId");
        Require(IsId(span, SpanIdDigits), "spanId");
    }

    private static bool IsId(string id, int digits) =>
        id.Length == digits && id.All(char.IsAsciiHexDigitLower) && id.Any(c => c != '0');

    // The serializer lets a null pass as an item of a list.
    private static void NoNull<T>(IReadOnlyList<T>? list, string name)
        where T : class
    {
        foreach (var (i, item) in (list ?? []).Index())
            Require(item is not null, $"{name}[{i}]");
    }

    private static void Require(bool isKept, string name)
    {
        if (!isKept)
            throw new OtlpViolation(name, null);
    }
}

/// <summary>A rule that an object breaks.</summary>
/// <param name="at">Path within the object.</param>
/// <param name="what">What is wrong; <see langword="null"/> where something else is expected there.</param>
internal sealed class OtlpViolation(string at, string? what) : JsonException
{
    public string At => at;

    public string? What => what;
}
