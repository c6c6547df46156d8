using System.Text.Json.Serialization;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>An attribute's value: a text, a whole number, a real number, a truth, or a list of values; all others are
/// <see langword="null"/>.</summary>
/// <remarks>Equal when kind and bits are: NaN equals itself, and zero is not negative zero. Immutable. The names in
/// JSON are those of OTLP's AnyValue; what is null is a field that is not there.</remarks>
public readonly record struct TraceValue
{
    private readonly Kind kind;
    private readonly long bits;
    private readonly object? content;

    private TraceValue(Kind kind, long bits, object? content) =>
        (this.kind, this.bits, this.content) = (kind, bits, content);

    private enum Kind : byte
    {
        None,
        Text,
        Whole,
        Real,
        Truth,
        List,
        Several,
    }

    [JsonPropertyName("stringValue")]
    public string? Text
    {
        get => content as string;
        init => this = value is null ? this : With(Of(value));
    }

    [JsonPropertyName("intValue"), JsonConverter(typeof(DecimalString<long>))]
    public long? Whole
    {
        get => kind == Kind.Whole ? bits : null;
        init => this = value is { } number ? With(Of(number)) : this;
    }

    [JsonPropertyName("doubleValue"), JsonNumberHandling(JsonNumberHandling.AllowNamedFloatingPointLiterals)]
    public double? Real
    {
        get => kind == Kind.Real ? BitConverter.Int64BitsToDouble(bits) : null;
        init => this = value is { } number ? With(Of(number)) : this;
    }

    [JsonPropertyName("boolValue")]
    public bool? Truth
    {
        get => kind == Kind.Truth ? bits != 0 : null;
        init => this = value is { } truth ? With(Of(truth)) : this;
    }

    [JsonPropertyName("arrayValue")]
    public TraceValues? List
    {
        get => content as TraceValues;
        init => this = value is null ? this : With(new TraceValue(Kind.List, 0, value));
    }

    /// <summary>The items of a list.</summary>
    [JsonIgnore]
    public IReadOnlyList<TraceValue>? Items => List is { } list ? list.Values ?? [] : null;

    /// <summary>Whether it is one of the five. What was read may have been none, or several at once.</summary>
    [JsonIgnore]
    public bool IsOne => kind is not (Kind.None or Kind.Several);

    public static TraceValue Of(string text) => new(Kind.Text, 0, text);

    public static TraceValue Of(long number) => new(Kind.Whole, number, null);

    public static TraceValue Of(double number) => new(Kind.Real, BitConverter.DoubleToInt64Bits(number), null);

    public static TraceValue Of(bool truth) => new(Kind.Truth, truth ? 1 : 0, null);

    public static TraceValue Of(IReadOnlyList<TraceValue> items) => new(Kind.List, 0, new TraceValues(items));

    private TraceValue With(TraceValue one) => kind == Kind.None ? one : new TraceValue(Kind.Several, 0, null);
}

/// <summary>OTLP's ArrayValue, which wraps the items of a list.</summary>
public sealed record TraceValues(IReadOnlyList<TraceValue>? Values = null)
{
    public bool Equals(TraceValues? other) => other is not null && (Values ?? []).SequenceEqual(other.Values ?? []);

    public override int GetHashCode() => Values?.Count ?? 0;
}
