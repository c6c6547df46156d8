using System.Globalization;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>A group of keys that is read strictly: a key that is not among the known ones is an error at
/// once.</summary>
internal sealed class Section
{
    private readonly MapNode map;
    private readonly string path;

    /// <param name="map">The keys.</param>
    /// <param name="path">Where the group hangs, such as "data."; empty for the whole file.</param>
    /// <param name="known">Every key that may stand here.</param>
    public Section(MapNode map, string path, params string[] known)
    {
        (this.map, this.path) = (map, path);
        foreach (var entry in map.Entries.Where(e => !known.Contains(e.Key)))
        {
            var nearest = known.MinBy(k => Distance(entry.Key, k))!;
            throw new RunFileException(
                $"unknown key {Excerpt.Of(path + entry.Key)}",
                entry.Place,
                Distance(entry.Key, nearest) <= Math.Max(2, entry.Key.Length / 3)
                    ? $"Did you mean '{path}{nearest}'?"
                    : $"Known here: {string.Join(", ", known)}."
            );
        }
    }

    public Section Group(string key, params string[] known) =>
        Value(key) switch
        {
            MapNode group => new Section(group, $"{path}{key}.", known),
            null => new Section(new MapNode(map.Place, []), $"{path}{key}.", known),
            var other => throw Wrong(key, other, "a group of keys"),
        };

    public ListNode List(string key) =>
        Required(key) is ListNode list ? list : throw Wrong(key, Required(key), "a list");

    public string? Text(string key) =>
        Value(key) switch
        {
            null => null,
            ScalarNode scalar => scalar.Text,
            var other => throw Wrong(key, other, "a word"),
        };

    public int Whole(string key, int? standard, int from, int to) =>
        Scalar(
            key,
            standard.HasValue,
            $"a whole number from {from.ToString(CultureInfo.InvariantCulture)} to "
                + $"{to.ToString(CultureInfo.InvariantCulture)}",
            text =>
                int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
                && value >= from
                && value <= to
                    ? value
                    : (int?)null
        ) ?? standard!.Value;

    public ulong Seed(string key, ulong standard) =>
        Scalar(
            key,
            true,
            "a whole number from 0 to 18446744073709551615",
            text =>
                ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
                    ? value
                    : (ulong?)null
        ) ?? standard;

    /// <summary>A finite number that <paramref name="accept"/> allows.</summary>
    public double Number(string key, double? standard, string expected, Func<double, bool> accept) =>
        Scalar(
            key,
            standard.HasValue,
            expected,
            text =>
                double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
                && double.IsFinite(value)
                && accept(value)
                    ? value
                    : (double?)null
        ) ?? standard!.Value;

    /// <summary>A list of as many finite numbers as the default has.</summary>
    public double[] Numbers(string key, double[] standard, string expected, Func<double, bool> accept)
    {
        if (Value(key) is not { } node)
            return standard;
        if (node is not ListNode list || list.Items.Count != standard.Length)
            throw Wrong(key, node, expected);
        return
        [
            .. list.Items.Select(item =>
                item is ScalarNode scalar
                && double.TryParse(scalar.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
                && double.IsFinite(value)
                && accept(value)
                    ? value
                    : throw Wrong(key, item, expected)
            ),
        ];
    }

    /// <summary>The whole path of a file that must be named.</summary>
    public string Path(string key, string runFile) =>
        PathOrNone(key, runFile) ?? throw Wrong(key, "is missing", $"Add {path}{key}.");

    /// <summary>The whole path of a file. In the run file it is relative to that file; a silo may run in another
    /// folder.</summary>
    public string? PathOrNone(string key, string runFile) =>
        Text(key) is not { } file ? null
        // A line break would not come back from the run.yaml that is written, and no system opens a NUL.
        : file.Length > 0 && !file.Any(char.IsControl)
            ? System.IO.Path.GetFullPath(file, System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(runFile))!)
        : throw Wrong(key, $"got {Excerpt.Of(file)}, expected a path", $"Correct {path}{key}.");

    /// <summary>A word, or a list of words; none where the key is missing.</summary>
    public string[] Words(string key) =>
        Value(key) switch
        {
            null => [],
            ScalarNode scalar => [scalar.Text],
            ListNode list =>
            [
                .. list.Items.Select(item =>
                    item is ScalarNode scalar ? scalar.Text : throw Wrong(key, item, "a word")
                ),
            ],
            var other => throw Wrong(key, other, "a word or a list of words"),
        };

    public bool IsGroup(string key) => Value(key) is MapNode;

    public bool Has(string key) => Value(key) is not null;

    public bool Flag(string key, bool standard) =>
        Scalar(
            key,
            true,
            "true or false",
            text =>
                text switch
                {
                    "true" => true,
                    "false" => false,
                    _ => (bool?)null,
                }
        ) ?? standard;

    /// <summary>One of some words.</summary>
    public T Choice<T>(string key, T? standard, params (string Word, T Value)[] words)
        where T : struct
    {
        var value = Scalar(
            key,
            standard.HasValue,
            string.Join(", ", words[..^1].Select(w => w.Word)) + (words.Length > 1 ? " or " : "") + words[^1].Word,
            text => Array.FindIndex(words, w => w.Word == text) is >= 0 and var index ? words[index].Value : (T?)null
        );
        return value ?? standard!.Value;
    }

    /// <summary>A length of time with its unit.</summary>
    public TimeSpan Duration(string key, TimeSpan standard, TimeSpan longest, string or = "") =>
        Scalar(
            key,
            true,
            $"{or}a time with its unit such as 500ms, 10s or 2m, above 0 and at most "
                + $"{longest.TotalMinutes.ToString(CultureInfo.InvariantCulture)}m",
            text =>
                Quantity.TryParseDuration(text, out var value) && value > TimeSpan.Zero && value <= longest
                    ? value
                    : (TimeSpan?)null
        ) ?? standard;

    /// <summary>A value by a rule of the caller's; <see langword="null"/> where the key is missing and may
    /// be.</summary>
    public T? Scalar<T>(string key, bool optional, string expected, Func<string, T?> read)
        where T : struct
    {
        var node = optional ? Value(key) : Required(key);
        if (node is null)
            return null;
        return node is ScalarNode scalar && read(scalar.Text) is { } value ? value : throw Wrong(key, node, expected);
    }

    /// <summary>Where a key's value stands; the group itself where it is missing.</summary>
    public Place PlaceOf(string key) => Value(key)?.Place ?? map.Place;

    public RunFileException Wrong(string key, string what, string cure) =>
        new($"{path}{key}: {what}", PlaceOf(key), cure);

    private RunFileException Wrong(string key, Node got, string expected) =>
        new($"{path}{key}: got {got.Kind}, expected {expected}", got.Place, $"Correct {path}{key}.");

    private Node? Value(string key) => map.Find(key)?.Value;

    private Node Required(string key) =>
        Value(key) ?? throw new RunFileException($"key '{path}{key}' is missing", map.Place, $"Add {path}{key}.");

    // Levenshtein: how many letters to add, drop or change.
    private static int Distance(string a, string b)
    {
        var previous = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var current = new int[b.Length + 1];
            current[0] = i;
            for (var j = 1; j <= b.Length; j++)
                current[j] = Math.Min(
                    Math.Min(current[j - 1], previous[j]) + 1,
                    previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)
                );
            previous = current;
        }

        return previous[^1];
    }
}
