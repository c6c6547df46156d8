using System.Text.Json;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>Real numbers that JSON has no digits for are the strings "NaN", "Infinity" and "-Infinity", as in
/// protobuf's mapping.</summary>
public static class PlainJson
{
    public static void Real(Utf8JsonWriter json, double number)
    {
        if (double.IsFinite(number))
            json.WriteNumberValue(number);
        else
            json.WriteStringValue(NameOf(number));
    }

    /// <summary>The number of a JSON number or of one of the three names.</summary>
    public static double? TryReal(JsonElement element) =>
        element.ValueKind switch
        {
            JsonValueKind.Number => element.GetDouble(),
            JsonValueKind.String => element.GetString() switch
            {
                "NaN" => double.NaN,
                "Infinity" => double.PositiveInfinity,
                "-Infinity" => double.NegativeInfinity,
                _ => null,
            },
            _ => null,
        };

    /// <summary>A value as plain JSON: whole and real numbers are numbers, a list is an array.</summary>
    public static void Value(Utf8JsonWriter json, TraceValue value)
    {
        switch (value.Kind)
        {
            case TraceValueKind.Text:
                json.WriteStringValue(value.Text);
                break;
            case TraceValueKind.Whole:
                json.WriteNumberValue(value.Whole);
                break;
            case TraceValueKind.Real:
                Real(json, value.Real);
                break;
            case TraceValueKind.Truth:
                json.WriteBooleanValue(value.Truth);
                break;
            default:
                json.WriteStartArray();
                foreach (var item in value.Items)
                    Value(json, item);
                json.WriteEndArray();
                break;
        }
    }

    /// <summary>Attributes as one JSON object.</summary>
    public static void Object(Utf8JsonWriter json, IReadOnlyList<TraceAttribute> attributes)
    {
        json.WriteStartObject();
        foreach (var attribute in attributes)
        {
            json.WritePropertyName(attribute.Key);
            Value(json, attribute.Value);
        }

        json.WriteEndObject();
    }

    private static string NameOf(double number) =>
        double.IsNaN(number) ? "NaN"
        : number > 0 ? "Infinity"
        : "-Infinity";
}
