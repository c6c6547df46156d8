using System.Globalization;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Traces;

/// <summary>Times and values as a person reads them.</summary>
internal static class Quantities
{
    private const double NanosecondsPerMicrosecond = 1e3;
    private const double NanosecondsPerMillisecond = 1e6;
    private const double NanosecondsPerSecond = 1e9;
    private const int MaxItems = 4;

    /// <summary>Three digits or the whole microseconds, milliseconds or seconds: "0.40 µs", "12.3 µs", "456 µs", "7.89
    /// ms".</summary>
    public static string Time(long nanoseconds)
    {
        // The unit is chosen by what the digits will show: 999,600 ns are 1.00 ms, not 1000 µs.
        var size = Math.Abs((double)nanoseconds);
        var (unit, name) =
            size < 999.5 * NanosecondsPerMicrosecond ? (NanosecondsPerMicrosecond, "µs")
            : size < 999.5 * NanosecondsPerMillisecond ? (NanosecondsPerMillisecond, "ms")
            : (NanosecondsPerSecond, "s");
        var format = size switch
        {
            0 => "0",
            _ when size < 9.995 * unit => "0.00",
            _ when size < 99.95 * unit => "0.0",
            _ => "0",
        };
        return $"{(nanoseconds / unit).ToString(format, CultureInfo.InvariantCulture)} {name}";
    }

    /// <summary>A value on a line: nine decimals of a real number, as the tutorial prints them, and the first items of
    /// a list.</summary>
    public static string Value(TraceValue value) =>
        value switch
        {
            { Text: { } text } => RunFiles.Excerpt.Bare(text),
            { Whole: { } whole } => whole.ToString("N0", CultureInfo.InvariantCulture),
            // Very small and very large ones with nine digits and an exponent: their decimals would all be zeros, or be
            // too many.
            { Real: { } real } => real.ToString(
                Math.Abs(real) is 0 or (>= 1e-4 and < 1e6) ? "0.#########" : "G9",
                CultureInfo.InvariantCulture
            ),
            { Truth: { } truth } => truth ? "true" : "false",
            { Items: { Count: <= MaxItems } items } => $"[{string.Join(", ", items.Select(Value))}]",
            _ => $"[{string.Join(", ", value.Items!.Take(MaxItems).Select(Value))}, … {value.Items!.Count:N0} values]",
        };

    /// <summary>An attribute as "name value". The project's own lose their prefix, and nanoseconds get the unit that
    /// reads best.</summary>
    public static string Attribute(TraceAttribute attribute)
    {
        if (!attribute.Key.StartsWith(TraceWords.Prefix, StringComparison.Ordinal))
            return $"{RunFiles.Excerpt.Bare(attribute.Key)} {Value(attribute.Value)}";
        var name = attribute.Key[TraceWords.Prefix.Length..];
        if (attribute.Value.Whole is { } nanoseconds && name.EndsWith("_ns", StringComparison.Ordinal))
            return $"{Words(name[..^3])} {Time(nanoseconds)}";
        if (attribute.Value.Whole is not null && attribute.Key == TraceWords.Bytes)
            return $"{Value(attribute.Value)} bytes";
        return $"{Words(name)} {Value(attribute.Value)}";
    }

    private static string Words(string name) => RunFiles.Excerpt.Bare(name.Replace('_', ' ').Replace('.', ' '));
}
