using System.Globalization;
using System.Text.Json;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Traces;

/// <summary>What OTLP/JSON asks of an ExportTraceServiceRequest, and what a trace file promises beyond it: lowercase
/// ids, named spans, times set.</summary>
/// <remarks>Fields of other names are no violation: the protocol tells receivers to ignore what they do not
/// know.</remarks>
internal sealed class OtlpJsonRules
{
    private const int TraceIdDigits = 32;
    private const int SpanIdDigits = 16;
    private readonly List<string> violations = [];

    private OtlpJsonRules() { }

    /// <summary>Each violation as "where: what": a path within the request, then what was got and expected.</summary>
    public static IReadOnlyList<string> Violations(JsonElement request)
    {
        var rules = new OtlpJsonRules();
        if (request.ValueKind == JsonValueKind.Object && request.TryGetProperty("resourceSpans", out _))
            rules.Each(request, "resourceSpans", "", rules.ResourceSpans);
        else
            rules.Add("the line", "has no resourceSpans");
        return rules.violations;
    }

    private void ResourceSpans(JsonElement item, string path)
    {
        Inside(item, "resource", path, Attributes);
        Each(item, "scopeSpans", path, ScopeSpans);
    }

    private void ScopeSpans(JsonElement item, string path)
    {
        Inside(item, "scope", path, (scope, at) => Text(scope, "name", at));
        Each(item, "spans", path, Span);
    }

    private void Span(JsonElement span, string path)
    {
        Id(span, "traceId", TraceIdDigits, path);
        Id(span, "spanId", SpanIdDigits, path);
        // Absent or empty: a root.
        if (
            span.TryGetProperty("parentSpanId", out var parent)
            && !(parent.ValueKind == JsonValueKind.String && parent.ValueEquals(""))
        )
        {
            Id(span, "parentSpanId", SpanIdDigits, path);
            if (span.TryGetProperty("spanId", out var own) && own.GetRawText() == parent.GetRawText())
                Add(path, "is its own parent");
        }

        Text(span, "name", path);
        Enumeration<TraceSpanKind>(span, "kind", path);
        Inside(
            span,
            "status",
            path,
            (status, at) =>
            {
                Enumeration<TraceStatus>(status, "code", at);
                if (status.TryGetProperty("message", out var message) && message.ValueKind != JsonValueKind.String)
                    Wrong(at, "message", message, "a string");
            }
        );
        if (
            Time(span, "startTimeUnixNano", path) is { } start
            && Time(span, "endTimeUnixNano", path) is { } end
            && end < start
        )
            Add(
                $"{path}.endTimeUnixNano",
                string.Create(CultureInfo.InvariantCulture, $"ends {start - end:N0} ns before it starts")
            );
        Attributes(span, path);
        Each(span, "events", path, Event);
        Each(span, "links", path, Link);
    }

    private void Event(JsonElement item, string path)
    {
        Time(item, "timeUnixNano", path);
        Text(item, "name", path);
        Attributes(item, path);
    }

    private void Link(JsonElement item, string path)
    {
        Id(item, "traceId", TraceIdDigits, path);
        Id(item, "spanId", SpanIdDigits, path);
        Attributes(item, path);
    }

    private void Attributes(JsonElement owner, string path)
    {
        var keys = new HashSet<string>();
        Each(
            owner,
            "attributes",
            path,
            (attribute, at) =>
            {
                Text(attribute, "key", at);
                if (
                    attribute.TryGetProperty("key", out var key)
                    && key.ValueKind == JsonValueKind.String
                    && !keys.Add(key.GetString()!)
                )
                    Add(at, $"has the key {Excerpt.Of(key.GetString()!)} a second time");
                if (attribute.TryGetProperty("value", out var value))
                    Value(value, $"{at}.value");
                else
                    Add(at, "has no value");
            }
        );
    }

    private void Value(JsonElement value, string path)
    {
        if (value.ValueKind != JsonValueKind.Object || value.EnumerateObject().Count() != 1)
        {
            Add(path, $"got {Got(value)}, expected an object of one field");
            return;
        }

        var field = value.EnumerateObject().First();
        switch (field.Name)
        {
            case "stringValue" when field.Value.ValueKind == JsonValueKind.String:
            case "boolValue" when field.Value.ValueKind is JsonValueKind.True or JsonValueKind.False:
            case "doubleValue" when PlainJson.TryReal(field.Value) is not null:
            case "intValue"
                when field.Value.ValueKind == JsonValueKind.String
                    && long.TryParse(
                        field.Value.GetString(),
                        NumberStyles.AllowLeadingSign,
                        CultureInfo.InvariantCulture,
                        out _
                    ):
                break;
            case "arrayValue" when field.Value.ValueKind == JsonValueKind.Object:
                Each(field.Value, "values", $"{path}.arrayValue", Value);
                break;
            default:
                Wrong(
                    path,
                    field.Name,
                    field.Value,
                    "stringValue: a string, intValue: a decimal string, doubleValue: a number, boolValue: true or "
                        + "false, or arrayValue: an object"
                );
                break;
        }
    }

    private void Id(JsonElement owner, string name, int digits, string path)
    {
        if (!owner.TryGetProperty(name, out var id))
            Add(path, $"has no {name}");
        else if (
            id.ValueKind != JsonValueKind.String
            || id.GetString() is not { } text
            || text.Length != digits
            || !text.All(char.IsAsciiHexDigitLower)
            || text.All(c => c == '0')
        )
            Wrong(
                path,
                name,
                id,
                $"{digits.ToString(CultureInfo.InvariantCulture)} lowercase hexadecimal digits, not all zero"
            );
    }

    private ulong? Time(JsonElement owner, string name, string path)
    {
        if (!owner.TryGetProperty(name, out var time))
            Add(path, $"has no {name}");
        else if (
            time.ValueKind == JsonValueKind.String
            && ulong.TryParse(time.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out var nanoseconds)
            && nanoseconds > 0
        )
            return nanoseconds;
        else
            Wrong(path, name, time, "nanoseconds since 1970 as a decimal string");
        return null;
    }

    private void Text(JsonElement owner, string name, string path)
    {
        if (!owner.TryGetProperty(name, out var text))
            Add(path, $"has no {name}");
        else if (text.ValueKind != JsonValueKind.String || text.ValueEquals(""))
            Wrong(path, name, text, "a string that is not empty");
    }

    private void Enumeration<T>(JsonElement owner, string name, string path)
        where T : struct, Enum
    {
        if (!owner.TryGetProperty(name, out var number))
            return;
        var last = Enum.GetValues<T>().Length - 1;
        if (number.ValueKind != JsonValueKind.Number || !number.TryGetInt32(out var value) || value < 0 || value > last)
            Wrong(path, name, number, string.Create(CultureInfo.InvariantCulture, $"a number from 0 to {last}"));
    }

    private void Inside(JsonElement owner, string name, string path, Action<JsonElement, string> check)
    {
        if (!owner.TryGetProperty(name, out var inner))
            return;
        if (inner.ValueKind == JsonValueKind.Object)
            check(inner, $"{path}.{name}");
        else
            Wrong(path, name, inner, "an object");
    }

    private void Each(JsonElement owner, string name, string path, Action<JsonElement, string> check)
    {
        if (!owner.TryGetProperty(name, out var list))
            return;
        if (list.ValueKind != JsonValueKind.Array)
        {
            Wrong(path, name, list, "an array");
            return;
        }

        var index = 0;
        foreach (var item in list.EnumerateArray())
        {
            var at = string.Create(
                CultureInfo.InvariantCulture,
                $"{path}{(path.Length > 0 ? "." : "")}{name}[{index++}]"
            );
            if (item.ValueKind == JsonValueKind.Object)
                check(item, at);
            else
                Add(at, $"got {Got(item)}, expected an object");
        }
    }

    private void Wrong(string path, string name, JsonElement got, string expected) =>
        Add($"{path}.{name}", $"got {Got(got)}, expected {expected}");

    private void Add(string path, string what) => violations.Add($"{path}: {what}");

    private static string Got(JsonElement element) => Excerpt.Bare(element.GetRawText());
}
