using System.Globalization;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>Numbers with a unit. A bare number is none: nobody should have to know whether a deadline counts seconds.</summary>
internal static class Quantity
{
    private static readonly (string Unit, double Seconds)[] Durations = [("us", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600)];

    public static bool TryParseDuration(string text, out TimeSpan duration)
    {
        duration = default;
        var digits = text.TrimEnd([.. "abcdefghijklmnopqrstuvwxyz"]);
        var unit = Array.Find(Durations, d => d.Unit == text[digits.Length..]);
        if (unit.Unit is null || !double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)) return false;
        if (number * unit.Seconds > TimeSpan.MaxValue.TotalSeconds / 2) return false;
        duration = TimeSpan.FromSeconds(number * unit.Seconds);
        return true;
    }

    public static string Format(TimeSpan duration) => duration.Ticks % TimeSpan.TicksPerSecond == 0
        ? string.Create(CultureInfo.InvariantCulture, $"{duration.Ticks / TimeSpan.TicksPerSecond}s")
        : string.Create(CultureInfo.InvariantCulture, $"{duration.TotalMicroseconds:0}us");
}
