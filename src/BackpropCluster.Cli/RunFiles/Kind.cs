using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>What may stand as a value: one object reads it, writes it, describes it to editors and names it in errors,
/// so that these cannot differ.</summary>
internal abstract class Kind<T>
{
    /// <summary>For an error: what should have stood there.</summary>
    public abstract string Expected { get; }

    /// <summary>False where the node is not of this kind; throws where it is, and something inside is wrong.</summary>
    /// <param name="node">What stands in the file.</param>
    /// <param name="at">Under which key.</param>
    /// <param name="value">The value so far, which keeps what the node does not say.</param>
    public abstract bool TryRead(Node node, Where at, ref T value);

    /// <param name="value">Reads back equal.</param>
    /// <param name="placeOf">How a file is to be written down, whose whole path is given.</param>
    public abstract string Write(T value, Func<string, string> placeOf);

    public abstract JsonObject Schema();

    /// <summary>Some words as well.</summary>
    public Kind<T> Or(params (string Word, T Value)[] words) =>
        new Either<T>(
            $"{string.Join(", ", words.Select(w => w.Word))} or {Expected}",
            Kinds.Choice(words),
            value => words.Any(w => Equals(w.Value, value)),
            this
        );

    public Kind<TOther> As<TOther>(Func<T, TOther> to, Func<TOther, T> from) => new Mapped<T, TOther>(this, to, from);
}

/// <summary>The key that is read, and the run file that paths are relative to: a silo may run in another
/// folder.</summary>
internal readonly record struct Where(string RunFile, string Key)
{
    public string Child(string key) => Key.Length == 0 ? key : $"{Key}.{key}";

    public RunFileException Wrong(Node got, string expected) =>
        new($"{Key}: got {got.Kind}, expected {expected}", got.Place, $"Correct {Key}.");
}

internal delegate bool TryParse<T>(string text, out T value);

internal sealed class Scalar<T>(string expected, TryParse<T> parse, Func<T, string> write, Func<JsonObject> schema)
    : Kind<T>
{
    public override string Expected => expected;

    public override bool TryRead(Node node, Where at, ref T value)
    {
        if (node is not ScalarNode scalar || !parse(scalar.Text, out var read))
            return false;
        value = read;
        return true;
    }

    public override string Write(T value, Func<string, string> placeOf) => write(value);

    // Editors show the description: it also holds what a schema cannot say, such as the longest time.
    public override JsonObject Schema()
    {
        var described = schema();
        described["description"] = expected;
        return described;
    }
}

internal sealed class PathKind : Kind<string?>
{
    public override string Expected => "a path";

    public override bool TryRead(Node node, Where at, ref string? value)
    {
        // A line break would not come back from the run.yaml that is written, and no system opens a NUL.
        if (node is not ScalarNode { Text: { Length: > 0 } file } || file.Any(char.IsControl))
            return false;
        value = Path.GetFullPath(file, Path.GetDirectoryName(Path.GetFullPath(at.RunFile))!);
        return true;
    }

    public override string Write(string? value, Func<string, string> placeOf) => Kinds.Quoted(placeOf(value!));

    public override JsonObject Schema() => new() { ["type"] = "string", ["description"] = Expected };
}

/// <summary>A list; where <paramref name="alone"/>, also its only item without the brackets.</summary>
internal sealed class Many<T>(
    Kind<T> item,
    string expected,
    int? exactly = null,
    bool alone = false,
    bool lines = false
) : Kind<ImmutableArray<T>>
{
    public override string Expected => expected;

    public override bool TryRead(Node node, Where at, ref ImmutableArray<T> value)
    {
        var items = ImmutableArray.CreateBuilder<T>();
        foreach (var (index, one) in ((node as ListNode)?.Items ?? (alone ? [node] : [])).Index())
        {
            var here = at with { Key = $"{at.Key}[{index}]" };
            T read = default!;
            if (item.TryRead(one, here, ref read))
                items.Add(read);
            else if (node is ListNode)
                throw here.Wrong(one, item.Expected);
        }

        value = items.ToImmutable();
        return value.Length > 0 && value.Length == (exactly ?? value.Length);
    }

    public override string Write(ImmutableArray<T> value, Func<string, string> placeOf)
    {
        var items = value.Select(v => item.Write(v, placeOf));
        return lines ? string.Concat(items.Select(i => $"\n    - {i}")) : $"[{string.Join(", ", items)}]";
    }

    public override JsonObject Schema()
    {
        var list = new JsonObject
        {
            ["type"] = "array",
            ["minItems"] = exactly ?? 1,
            ["items"] = item.Schema(),
        };
        if (exactly is not null)
            list["maxItems"] = exactly;
        return alone ? Kinds.AnyOf(item.Schema(), list) : list;
    }
}

/// <summary>A value of one kind or of another; <paramref name="isFirst"/> tells as which it is written.</summary>
internal sealed class Either<T>(string expected, Kind<T> first, Func<T, bool> isFirst, Kind<T> second) : Kind<T>
{
    public override string Expected => expected;

    public override bool TryRead(Node node, Where at, ref T value) =>
        first.TryRead(node, at, ref value) || second.TryRead(node, at, ref value);

    public override string Write(T value, Func<string, string> placeOf) =>
        (isFirst(value) ? first : second).Write(value, placeOf);

    public override JsonObject Schema() => Kinds.AnyOf(first.Schema(), second.Schema());
}

internal sealed class Mapped<T, TOther>(Kind<T> kind, Func<T, TOther> to, Func<TOther, T> from) : Kind<TOther>
{
    public override string Expected => kind.Expected;

    public override bool TryRead(Node node, Where at, ref TOther value)
    {
        T read = default!;
        if (!kind.TryRead(node, at, ref read))
            return false;
        value = to(read);
        return true;
    }

    public override string Write(TOther value, Func<string, string> placeOf) => kind.Write(from(value), placeOf);

    public override JsonObject Schema() => kind.Schema();
}
