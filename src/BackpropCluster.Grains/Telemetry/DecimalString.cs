using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>A 64-bit whole number as a string of decimal digits, as protobuf's JSON has it: a reader that takes every
/// number for a double would lose the last digits of a time.</summary>
public sealed class DecimalString<T> : JsonConverter<T>
    where T : struct, IBinaryInteger<T>
{
    private const int MaxDigits = 20;

    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String
        && T.TryParse(reader.GetString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new JsonException();

    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) =>
        throw new NotSupportedException("Spans are written by OtlpJson.");

    public static void Write(Utf8JsonWriter writer, ReadOnlySpan<byte> name, T value)
    {
        Span<byte> digits = stackalloc byte[MaxDigits];
        value.TryFormat(digits, out var length, default, CultureInfo.InvariantCulture);
        writer.WriteString(name, digits[..length]);
    }
}
