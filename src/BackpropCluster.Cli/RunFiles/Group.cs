using System.Text.Json.Nodes;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>A group of keys that is read strictly: a key that is not among them is an error at once.</summary>
/// <param name="standard">What holds where the file has no such group; <see langword="null"/> for a group whose parent
/// knows.</param>
/// <param name="lines">Whether each key is written on a line of its own.</param>
internal sealed class Group<T>(T? standard = default, bool lines = false) : Kind<T>
{
    private readonly List<Key> keys = [];

    public override string Expected => "a group of keys";

    /// <summary>A key without which the value stays what it is, or the default.</summary>
    /// <param name="name">As in the file.</param>
    /// <param name="kind">What may be its value.</param>
    /// <param name="get">Takes the value from what the group describes; null is not written.</param>
    /// <param name="set">Puts it there.</param>
    /// <param name="when">Where the key is of use, by the first key's value.</param>
    public Group<T> Optional<TValue>(
        string name,
        Kind<TValue> kind,
        Func<T, TValue> get,
        Func<T, TValue, T> set,
        Func<T, bool>? when = null
    )
    {
        keys.Add(
            new Key(
                name,
                IsRequired: false,
                IsConditional: when is not null,
                when ?? (_ => true),
                (node, at, group) =>
                {
                    var value = get(group);
                    return kind.TryRead(node, at, ref value) ? set(group, value) : throw at.Wrong(node, kind.Expected);
                },
                (group, placeOf) => get(group) is { } value ? kind.Write(value, placeOf) : null,
                kind.Schema
            )
        );
        return this;
    }

    /// <summary>A key that has to stand there, where it is of use.</summary>
    /// <inheritdoc cref="Optional"/>
    public Group<T> Required<TValue>(
        string name,
        Kind<TValue> kind,
        Func<T, TValue> get,
        Func<T, TValue, T> set,
        Func<T, bool>? when = null
    )
    {
        Optional(name, kind, get, set, when);
        keys[^1] = keys[^1] with { IsRequired = true };
        return this;
    }

    /// <summary>The keys of another group, side by side with these; of use where there is such a part.</summary>
    public Group<T> Include<TPart>(Group<TPart> group, Func<T, TPart> get, Func<T, TPart, T> set)
    {
        foreach (var key in group.keys)
            keys.Add(
                new Key(
                    key.Name,
                    key.IsRequired,
                    // A part that is no value may be missing.
                    key.IsConditional || default(TPart) is null,
                    whole => get(whole) is { } part && key.When(part),
                    (node, at, whole) => set(whole, key.Read(node, at, get(whole))),
                    (whole, placeOf) => key.Write(get(whole), placeOf),
                    key.Schema
                )
            );
        return this;
    }

    public override bool TryRead(Node node, Where at, ref T value)
    {
        if (node is not MapNode map)
            return false;
        var read = value ?? standard!;
        RefuseUnknown(map, at, keys);
        foreach (var (index, key) in keys.Index())
        {
            // The first key decides which others are of use.
            if (index == 1)
                RefuseUnknown(map, at, keys.FindAll(k => k.When(read)));
            if (!key.When(read))
                continue;
            var here = at with { Key = at.Child(key.Name) };
            if (map.Find(key.Name) is { } entry)
                read = key.Read(entry.Value, here, read);
            else if (key.IsRequired)
                throw key.Missing(here, map.Place);
        }

        value = read;
        return true;
    }

    public override string Write(T value, Func<string, string> placeOf) =>
        lines
            ? string.Concat(Lines(value, placeOf).Select(line => $"\n  {line}"))
            : $"{{ {string.Join(", ", Lines(value, placeOf))} }}";

    /// <summary>Each key with its value.</summary>
    public IEnumerable<string> Lines(T value, Func<string, string> placeOf) =>
        from key in keys
        where key.When(value)
        let text = key.Write(value, placeOf)
        where text is not null
        select $"{key.Name}:{(text.StartsWith('\n') ? "" : " ")}{text}";

    public override JsonObject Schema() =>
        new()
        {
            ["type"] = "object",
            ["additionalProperties"] = false,
            ["required"] = new JsonArray([
                .. keys.Where(k => k is { IsRequired: true, IsConditional: false })
                    .Select(k => JsonValue.Create(k.Name)),
            ]),
            // Some kinds have a key in common, which takes the same values then.
            ["properties"] = new JsonObject(
                keys.DistinctBy(k => k.Name).Select(k => KeyValuePair.Create(k.Name, (JsonNode?)k.Schema()))
            ),
        };

    private static void RefuseUnknown(MapNode map, Where at, List<Key> known)
    {
        foreach (var entry in map.Entries.Where(e => !known.Exists(k => k.Name == e.Key)))
        {
            var nearest = known.MinBy(k => Distance(entry.Key, k.Name))!.Name;
            throw new RunFileException(
                $"unknown key {Excerpt.Of(at.Child(entry.Key))}",
                entry.Place,
                Distance(entry.Key, nearest) <= Math.Max(2, entry.Key.Length / 3)
                    ? $"Did you mean '{at.Child(nearest)}'?"
                    : $"Known here: {string.Join(", ", known.Select(k => k.Name).Distinct())}."
            );
        }
    }

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

    private sealed record Key(
        string Name,
        bool IsRequired,
        bool IsConditional,
        Func<T, bool> When,
        Func<Node, Where, T, T> Read,
        Func<T, Func<string, string>, string?> Write,
        Func<JsonObject> Schema
    )
    {
        public RunFileException Missing(Where at, Place group) =>
            new(IsConditional ? $"{at.Key}: is missing" : $"key '{at.Key}' is missing", group, $"Add {at.Key}.");
    }
}
