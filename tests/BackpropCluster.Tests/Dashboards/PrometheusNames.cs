using System.Text.RegularExpressions;

namespace BackpropCluster.Tests.Dashboards;

/// <summary>What an instrument is to Prometheus.</summary>
public enum MetricKind
{
    /// <summary>Only grows.</summary>
    Counter,

    /// <summary>Is added to and taken from.</summary>
    UpDownCounter,

    /// <summary>Is set.</summary>
    Gauge,

    /// <summary>Counts values by size.</summary>
    Histogram,
}

/// <summary>How Prometheus 3 names what arrives by OTLP, with its default translation strategy,
/// UnderscoreEscapingWithSuffixes.</summary>
/// <remarks>After the module that Prometheus itself uses, prometheus/otlptranslator (metric_namer.go, unit_namer.go,
/// label_namer.go). Units per something are left out: no instrument here has one.</remarks>
public static partial class PrometheusNames
{
    // From the same module; a unit that it does not know stays as it is.
    private static readonly Dictionary<string, string> Units = new()
    {
        ["d"] = "days",
        ["h"] = "hours",
        ["min"] = "minutes",
        ["s"] = "seconds",
        ["ms"] = "milliseconds",
        ["us"] = "microseconds",
        ["ns"] = "nanoseconds",
        ["By"] = "bytes",
        ["KiBy"] = "kibibytes",
        ["MiBy"] = "mebibytes",
        ["GiBy"] = "gibibytes",
        ["KBy"] = "kilobytes",
        ["MBy"] = "megabytes",
        ["GBy"] = "gigabytes",
        ["Cel"] = "celsius",
        ["Hz"] = "hertz",
        ["%"] = "percent",
        ["1"] = "",
    };

    /// <summary>The name of a metric; a histogram's series have it with a suffix.</summary>
    public static string Of(string name, string? unit, MetricKind kind)
    {
        ArgumentOutOfRangeException.ThrowIfEqual(
            unit?.Contains('/', StringComparison.Ordinal) == true,
            true,
            nameof(unit)
        );
        var words = Others().Split(name).Where(word => word.Length > 0).ToList();
        // What stands in braces is a remark for people: {step}.
        var suffix =
            unit is null || unit.Length == 0 || unit.IndexOfAny(['{', '}']) >= 0
                ? ""
                : Units.GetValueOrDefault(unit, unit);
        suffix = Others().Replace(suffix, "_").Trim('_');
        if (suffix.Length > 0 && !words.Contains(suffix))
            words.Add(suffix);
        if (kind == MetricKind.Counter)
            MoveToEnd(words, "total");
        if (kind == MetricKind.Gauge && unit == "1")
            MoveToEnd(words, "ratio");
        var result = string.Join('_', words);
        return char.IsAsciiDigit(result[0]) ? "_" + result : result;
    }

    /// <summary>The names of a metric's series.</summary>
    public static string[] Series(string name, string? unit, MetricKind kind)
    {
        var metric = Of(name, unit, kind);
        return kind == MetricKind.Histogram ? [$"{metric}_bucket", $"{metric}_sum", $"{metric}_count"] : [metric];
    }

    /// <summary>The label of an attribute.</summary>
    public static string Label(string attribute)
    {
        var label = NotInALabel().Replace(attribute, "_");
        return char.IsAsciiDigit(label[0]) ? "key_" + label : label;
    }

    private static void MoveToEnd(List<string> words, string word)
    {
        words.RemoveAll(w => w == word);
        words.Add(word);
    }

    [GeneratedRegex("[^A-Za-z0-9:]+")]
    private static partial Regex Others();

    [GeneratedRegex("[^A-Za-z0-9_]+")]
    private static partial Regex NotInALabel();
}
