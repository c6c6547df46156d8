using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>The kinds of values in a run file.</summary>
internal static class Kinds
{
    public static Kind<string?> FilePath { get; } = new PathKind();

    public static Kind<bool> Flag { get; } =
        new Scalar<bool>(
            "true or false",
            (text, out value) => (value = text == "true") || text == "false",
            value => value ? "true" : "false",
            () => new JsonObject { ["type"] = "boolean" }
        );

    public static Kind<ulong> Seed { get; } =
        new Scalar<ulong>(
            $"a whole number from 0 to {ulong.MaxValue}",
            (text, out value) => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value),
            value => value.ToString(CultureInfo.InvariantCulture),
            () => Bounded("integer", ("minimum", 0), ("maximum", ulong.MaxValue))
        );

    public static Kind<string> Column { get; } =
        new Scalar<string>(
            "a column's name or index",
            (text, out value) => (value = text).Length > 0 && !text.Any(char.IsControl),
            Quoted,
            () => AnyOf(new JsonObject { ["type"] = "string" }, Bounded("integer", ("minimum", 0)))
        );

    /// <param name="from">At least.</param>
    /// <param name="to">At most.</param>
    /// <param name="of">What is counted, where it has to be said.</param>
    public static Kind<int> Whole(int from, int to = int.MaxValue, string? of = null) =>
        new Scalar<int>(
            of is null ? Invariant($"a whole number from {from} to {to}") : Invariant($"a number of {of} from {from}"),
            (text, out value) =>
                int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value)
                && value >= from
                && value <= to,
            value => value.ToString(CultureInfo.InvariantCulture),
            () => Bounded("integer", ("minimum", from), ("maximum", to))
        );

    /// <summary>A finite number within the bounds that are given: with them, or without them.</summary>
    public static Kind<double> Number(
        double? from = null,
        double? above = null,
        double? to = null,
        double? below = null
    ) =>
        new Scalar<double>(
            Invariant($"a {((to ?? below) is null ? "finite " : "")}number")
                + (from is null ? "" : Invariant($" from {from}"))
                + (above is null ? "" : Invariant($" above {above}"))
                + (to is null ? "" : Invariant($" up to {to}"))
                + (below is null ? "" : Invariant($" up to, but not including, {below}")),
            // A bound that is not given compares false.
            (text, out value) =>
                double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value)
                && double.IsFinite(value)
                && !(value < from || value <= above || value > to || value >= below),
            value => value.ToString("R", CultureInfo.InvariantCulture),
            () =>
                Bounded(
                    "number",
                    ("minimum", from),
                    ("exclusiveMinimum", above),
                    ("maximum", to),
                    ("exclusiveMaximum", below)
                )
        );

    /// <summary>A length of time with its unit.</summary>
    public static Kind<TimeSpan> Time(TimeSpan longest) =>
        new Scalar<TimeSpan>(
            "a time with its unit such as 500ms, 10s or 2m, above 0 and at most "
                + Invariant($"{longest.TotalMinutes}m"),
            (text, out value) =>
                Quantity.TryParseDuration(text, out value) && value > TimeSpan.Zero && value <= longest,
            Quantity.Format,
            () => new JsonObject { ["type"] = "string", ["pattern"] = "^[0-9]+(\\.[0-9]+)?(us|ms|s|m|h)$" }
        );

    /// <summary>A bare number counts steps, a quantity measures time.</summary>
    public static Kind<(int Steps, TimeSpan Interval)> StepsOrTime(TimeSpan longest)
    {
        var steps = Whole(1, of: "steps").As(n => (Steps: n, Interval: TimeSpan.Zero), every => every.Steps);
        var time = Time(longest).As(time => (Steps: 0, Interval: time), every => every.Interval);
        return new Either<(int Steps, TimeSpan Interval)>(
            $"{steps.Expected}, or {time.Expected}",
            steps,
            every => every.Steps > 0,
            time
        );
    }

    /// <summary>A word of a pattern.</summary>
    public static Kind<string> Word(string pattern, string expected) =>
        new Scalar<string>(
            expected,
            // Not $, which a line break may follow.
            (text, out value) => Regex.IsMatch(value = text, $@"^{pattern}\z"),
            Quoted,
            () => new JsonObject { ["type"] = "string", ["pattern"] = $"^{pattern}$" }
        );

    /// <summary>One of some words.</summary>
    public static Kind<T> Choice<T>(params (string Word, T Value)[] words) =>
        new Scalar<T>(
            string.Join(", ", words[..^1].Select(w => w.Word)) + (words.Length > 1 ? " or " : "") + words[^1].Word,
            (text, out value) =>
            {
                var index = Array.FindIndex(words, w => w.Word == text);
                value = index < 0 ? default! : words[index].Value;
                return index >= 0;
            },
            value => Array.Find(words, w => Equals(w.Value, value)).Word,
            () => new JsonObject { ["enum"] = new JsonArray([.. words.Select(w => JsonValue.Create(w.Word))]) }
        );

    /// <summary>For a value that is not written where it is null.</summary>
    public static Kind<T?> OrNull<T>(this Kind<T> kind)
        where T : struct => kind.As(value => (T?)value, value => value!.Value);

    public static JsonObject AnyOf(params JsonNode[] schemas) => new() { ["anyOf"] = new JsonArray(schemas) };

    // A name such as 2026 or true would come back as it is here, but not in another reader.
    public static string Quoted(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);

    private static JsonObject Bounded(string type, params (string Key, JsonNode? Value)[] bounds)
    {
        var schema = new JsonObject { ["type"] = type };
        foreach (var (key, value) in bounds.Where(b => b.Value is not null))
            schema[key] = value;
        return schema;
    }
}
