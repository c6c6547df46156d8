using System.Globalization;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>Numbers with a unit. A bare number is none: nobody should have to know whether a deadline counts
/// seconds.</summary>
internal static class Quantity
{
    private static readonly (string Unit, long Ticks)[] Durations =
    [
        ("us", TimeSpan.TicksPerMicrosecond),
        ("ms", TimeSpan.TicksPerMillisecond),
        ("s", TimeSpan.TicksPerSecond),
        ("m", TimeSpan.TicksPerMinute),
        ("h", TimeSpan.TicksPerHour),
    ];

    /// <summary>Reads a decimal number with its unit; false also for one finer than a tick (0.1us), which could only be
    /// rounded in silence.</summary>
    public static bool TryParseDuration(string text, out TimeSpan duration)
    {
        duration = default;
        var digits = text.TrimEnd([.. "abcdefghijklmnopqrstuvwxyz"]);
        var unit = Array.Find(Durations, d => d.Unit == text[digits.Length..]);
        if (
            unit.Unit is null
            || !decimal.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
        )
            return false;
        // Decimal, not double: 0.57s is 5,700,000 ticks here and one less there, and NaN is no decimal.
        if (number > (decimal)long.MaxValue / unit.Ticks || number * unit.Ticks % 1 != 0)
            return false;
        duration = TimeSpan.FromTicks((long)(number * unit.Ticks));
        return true;
    }

    public static string Format(TimeSpan duration) =>
        duration.Ticks % TimeSpan.TicksPerSecond == 0
            ? string.Create(CultureInfo.InvariantCulture, $"{duration.Ticks / TimeSpan.TicksPerSecond}s")
            : string.Create(
                CultureInfo.InvariantCulture,
                $"{duration.Ticks / (decimal)TimeSpan.TicksPerMicrosecond}us"
            );
}
