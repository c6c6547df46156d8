using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>Reads YAML text into nodes and refuses what a run file has no use for.</summary>
internal sealed class RunFileSyntax
{
    /// <summary>A run file is a page; a megabyte of one is a mistake or an attack.</summary>
    public const int MaxCharacters = 1 << 20;

    // Deeper than any key of the schema; without a bound a file of brackets would end in a stack overflow, which
    // nothing can catch.
    private const int MaxDepth = 16;

    private readonly string file;
    private readonly string? set;
    private readonly Parser parser;

    private RunFileSyntax(string file, string text, string? set) =>
        (this.file, this.set, parser) = (file, set, new Parser(new StringReader(text)));

    /// <summary>The one document of a run file.</summary>
    public static MapNode ReadFile(string file, string text)
    {
        var start = new Place(file, 1, 1);
        if (text.Length > MaxCharacters)
            throw new RunFileException(
                $"the run file has {text.Length} characters, at most {MaxCharacters} are read",
                start,
                "Give the path of a run file."
            );
        return Read(file, text, null) switch
        {
            null => throw new RunFileException(
                "the run file is empty",
                start,
                "Begin with version: 1; examples/ holds complete files."
            ),
            MapNode map => map,
            var other => throw new RunFileException(
                $"the run file is {other.Kind}, expected keys such as version and data",
                other.Place,
                "Begin with version: 1; examples/ holds complete files."
            ),
        };
    }

    /// <summary>The value of a <c>--set</c>: a scalar, or a list or group in braces.</summary>
    public static Node ReadValue(string value, string set) =>
        Read("", value, set) ?? new ScalarNode(new Place("", 1, 1, set), "");

    private static Node? Read(string file, string text, string? set)
    {
        RefuseUnprintable(file, text, set);
        var syntax = new RunFileSyntax(file, text, set);
        try
        {
            return syntax.Document();
        }
        catch (YamlException e)
        {
            throw new RunFileException(
                $"not valid YAML: {e.InnerException?.Message ?? e.Message}",
                syntax.PlaceOf(e.Start),
                "Mend the line, or the one above it."
            );
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or FormatException)
        {
            // Some broken texts make the scanner stumble over itself instead of naming the place; the last thing it
            // read is near.
            var near = syntax.parser.Current is { } current ? syntax.PlaceOf(current.End) : new Place(file, 1, 1, set);
            throw new RunFileException("not valid YAML", near, "Mend the line, or the one below it.");
        }
    }

    // The scanner takes a NUL for the end of the text: whatever stands behind it would be left out in silence.
    private static void RefuseUnprintable(string file, string text, string? set)
    {
        var (line, lineStart) = (1, 0);
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c == '\n')
                (line, lineStart) = (line + 1, i + 1);
            if (char.IsSurrogatePair(text, i))
                i++;
            else if ((char.IsControl(c) && c is not ('\t' or '\n' or '\r')) || char.IsSurrogate(c) || c == '\uFEFF')
                throw new RunFileException(
                    $"character U+{(int)c:X4} cannot stand in a run file",
                    new Place(file, line, i - lineStart + 1, set),
                    "Remove it; the file may not be UTF-8 text."
                );
        }
    }

    private Node? Document()
    {
        parser.Consume<StreamStart>();
        if (parser.Accept<StreamEnd>(out _))
            return null;
        parser.Consume<DocumentStart>();
        var node = Node(0);
        parser.Consume<DocumentEnd>();
        if (parser.Current is DocumentStart second)
            throw new RunFileException("a second document begins", PlaceOf(second.Start), "Keep one run in one file.");
        return node;
    }

    private Node Node(int depth)
    {
        if (parser.Current is not ParsingEvent current)
            throw new YamlException("the text ends too early");
        var place = PlaceOf(current.Start);
        if (depth > MaxDepth)
            throw new RunFileException(
                $"values are nested more than {MaxDepth} deep",
                place,
                "A run file is at most four levels deep."
            );
        if (current is AnchorAlias)
            throw new RunFileException("an alias (*) is not understood in a run file", place, "Write the value out.");
        if (current is NodeEvent { Anchor.IsEmpty: false })
            throw new RunFileException("an anchor (&) is not understood in a run file", place, "Remove it.");
        if (current is NodeEvent { Tag.IsEmpty: false })
            throw new RunFileException("a tag (!) is not understood in a run file", place, "Remove it.");
        if (parser.TryConsume<Scalar>(out var scalar))
            return new ScalarNode(place, scalar.Value);
        return parser.TryConsume<SequenceStart>(out _) ? List(place, depth) : Map(place, depth);
    }

    private ListNode List(Place place, int depth)
    {
        var items = new List<Node>();
        while (!parser.TryConsume<SequenceEnd>(out _))
            items.Add(Node(depth + 1));
        return new ListNode(place, items);
    }

    private MapNode Map(Place place, int depth)
    {
        parser.Consume<MappingStart>();
        var entries = new List<Entry>();
        // A set, because a megabyte of keys that are each looked for among all others takes half a minute.
        var seen = new HashSet<string>();
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            if (Node(depth + 1) is not ScalarNode key)
                throw new RunFileException(
                    "a key is not a word",
                    place,
                    "Write keys as plain words followed by a colon."
                );
            if (!seen.Add(key.Text))
                throw new RunFileException(
                    $"key {Excerpt.Of(key.Text)} stands twice in the same group",
                    key.Place,
                    "Remove one of them."
                );
            entries.Add(new Entry(key.Text, key.Place, Node(depth + 1)));
        }

        return new MapNode(place, entries);
    }

    private Place PlaceOf(Mark mark) => new(file, (int)mark.Line, (int)mark.Column, set);
}
