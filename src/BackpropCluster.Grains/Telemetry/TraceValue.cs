using System.Diagnostics.CodeAnalysis;

namespace BackpropCluster.Grains.Telemetry;

public enum TraceValueKind
{
    Text,
    Whole,
    Real,
    Truth,
    List,
}

/// <summary>An attribute's value: a text, a whole number, a real number, a truth, or a list of values.</summary>
/// <remarks>Equal when kind and bits are: NaN equals itself, and zero is not negative zero. Immutable.</remarks>
public readonly struct TraceValue : IEquatable<TraceValue>
{
    private readonly long bits;
    private readonly object? content;

    private TraceValue(TraceValueKind kind, long bits, object? content) =>
        (Kind, this.bits, this.content) = (kind, bits, content);

    public TraceValueKind Kind { get; }

    public string Text => content as string ?? "";

    public long Whole => bits;

    public double Real => BitConverter.Int64BitsToDouble(bits);

    public bool Truth => bits != 0;

    public IReadOnlyList<TraceValue> Items => content as IReadOnlyList<TraceValue> ?? [];

    public static TraceValue Of(string text) => new(TraceValueKind.Text, 0, text);

    public static TraceValue Of(long number) => new(TraceValueKind.Whole, number, null);

    public static TraceValue Of(double number) =>
        new(TraceValueKind.Real, BitConverter.DoubleToInt64Bits(number), null);

    public static TraceValue Of(bool truth) => new(TraceValueKind.Truth, truth ? 1 : 0, null);

    public static TraceValue Of(IReadOnlyList<TraceValue> items) => new(TraceValueKind.List, 0, items);

    public bool Equals(TraceValue other) =>
        Kind == other.Kind && bits == other.bits && Text == other.Text && Items.SequenceEqual(other.Items);

    public override bool Equals([NotNullWhen(true)] object? obj) => obj is TraceValue other && Equals(other);

    public override int GetHashCode() => HashCode.Combine(Kind, bits, Text, Items.Count);

    public static bool operator ==(TraceValue left, TraceValue right) => left.Equals(right);

    public static bool operator !=(TraceValue left, TraceValue right) => !left.Equals(right);
}
