using System.Globalization;
using System.Text.RegularExpressions;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>Puts the values of <c>--set</c> into a run file, before anything in it is looked at.</summary>
internal static partial class Overrides
{
    /// <param name="root">The file's keys; changed in place.</param>
    /// <param name="set">key=value, the key as a path such as model.layers[0].units.</param>
    public static void Apply(MapNode root, string set)
    {
        var place = new Place("", 1, 1, set);
        var equals = set.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0)
            throw new RunFileException(
                "got no value, expected key=value",
                place,
                "Write for example --set training.epochs=3."
            );
        var value = RunFileSyntax.ReadValue(set[(equals + 1)..], set);
        var steps = set[..equals].Split('.');
        Node parent = root;
        for (var i = 0; i < steps.Length; i++)
        {
            var match = Step().Match(steps[i]);
            if (!match.Success)
                throw new RunFileException(
                    $"{Excerpt.Of(steps[i])} is not a key",
                    place,
                    "Write keys with points between them, items of a list as layers[0]."
                );
            var indexed = match.Groups["index"].Success;
            var last = i == steps.Length - 1;
            var missing =
                indexed ? new ListNode(place, [])
                : last ? value
                : new MapNode(place, []);
            parent = Descend(parent, match.Groups["key"].Value, missing, last && !indexed, place);
            if (!indexed)
                continue;

            // The file has no such list. It stays empty, so that the reader says whether the key is unknown or lacks
            // its items.
            if (ReferenceEquals(parent, missing))
                return;
            var items = parent is ListNode list
                ? list.Items
                : throw new RunFileException(
                    $"{Excerpt.Of(match.Groups["key"].Value)} is {parent.Kind}, not a list",
                    place,
                    "Leave out the brackets."
                );
            if (
                !int.TryParse(
                    match.Groups["index"].ValueSpan,
                    NumberStyles.None,
                    CultureInfo.InvariantCulture,
                    out var index
                )
                || index >= items.Count
            )
                throw new RunFileException(
                    $"{Excerpt.Of(match.Groups["key"].Value)} has {items.Count} items, the first is [0]",
                    place,
                    "Items cannot be added by --set; edit the file."
                );
            if (last)
                items[index] = value;
            parent = items[index];
        }
    }

    /// <summary>Goes one key down and puts <paramref name="node"/> there where the key is missing or
    /// <paramref name="replace"/> is asked.</summary>
    private static Node Descend(Node parent, string key, Node node, bool replace, Place place)
    {
        if (parent is not MapNode map)
            throw new RunFileException($"{Excerpt.Of(key)} is asked of {parent.Kind}", place, "Shorten the key.");
        var index = map.Entries.FindIndex(e => e.Key == key);
        if (index >= 0 && !replace)
            return map.Entries[index].Value;
        var entry = new Entry(key, place, node);
        if (index >= 0)
            map.Entries[index] = entry;
        else
            map.Entries.Add(entry);
        return entry.Value;
    }

    [GeneratedRegex(@"^(?<key>[A-Za-z_][A-Za-z0-9_]*)(\[(?<index>[0-9]+)\])?\z")]
    private static partial Regex Step();
}
