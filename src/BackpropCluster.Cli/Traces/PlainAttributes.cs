using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Traces;

/// <summary>Attributes as one plain JSON object: whole and real numbers are numbers, a list is an array.</summary>
/// <remarks>Real numbers that JSON has no digits for are the strings "NaN", "Infinity" and "-Infinity".</remarks>
internal sealed class PlainAttributes : JsonConverter<IReadOnlyList<TraceAttribute>>
{
    public override IReadOnlyList<TraceAttribute> Read(
        ref Utf8JsonReader reader,
        Type typeToConvert,
        JsonSerializerOptions options
    ) => throw new NotSupportedException("What the commands print is not read again.");

    public override void Write(
        Utf8JsonWriter writer,
        IReadOnlyList<TraceAttribute> value,
        JsonSerializerOptions options
    )
    {
        writer.WriteStartObject();
        foreach (var attribute in value)
        {
            writer.WritePropertyName(attribute.Key);
            Write(writer, attribute.Value);
        }

        writer.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter writer, TraceValue value)
    {
        switch (value)
        {
            case { Text: { } text }:
                writer.WriteStringValue(text);
                break;
            case { Whole: { } whole }:
                writer.WriteNumberValue(whole);
                break;
            case { Real: { } real } when double.IsFinite(real):
                writer.WriteNumberValue(real);
                break;
            case { Real: { } real }:
                writer.WriteStringValue(real.ToString(CultureInfo.InvariantCulture));
                break;
            case { Truth: { } truth }:
                writer.WriteBooleanValue(truth);
                break;
            default:
                writer.WriteStartArray();
                foreach (var item in value.Items!)
                    Write(writer, item);
                writer.WriteEndArray();
                break;
        }
    }
}
