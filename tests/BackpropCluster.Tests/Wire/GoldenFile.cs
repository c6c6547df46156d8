using BackpropCluster.Tests.Deploy;

namespace BackpropCluster.Tests.Wire;

/// <summary>Values that must not change, in a text file beside the tests: a name on a line of its own, its value
/// indented below it, cut into lines.</summary>
/// <param name="name">The file's name in <c>tests/BackpropCluster.Tests/Wire</c>.</param>
/// <param name="explanation">What stands in it, for whoever opens it.</param>
internal sealed class GoldenFile(string name, string explanation)
{
    /// <summary>Set to 1, tests write their golden files anew instead of comparing with them.</summary>
    public const string Variable = "BACKPROP_WRITE_GOLDEN";

    private const string Indent = "    ";
    private const int Columns = 112;

    private readonly string path = DeployFiles.PathOf(Path.Combine("tests", "BackpropCluster.Tests", "Wire", name));

    /// <summary>Values by their names, in the file's order.</summary>
    public Dictionary<string, string> Read()
    {
        var values = new Dictionary<string, string>();
        var current = "";
        foreach (var line in File.ReadLines(path).Where(l => l.Length > 0 && l[0] != '#'))
            if (line.StartsWith(Indent, StringComparison.Ordinal))
                values[current] += line[Indent.Length..];
            else
                values.Add(current = line, "");
        return values;
    }

    /// <summary>Writes the file anew and ends the test, where that was asked for.</summary>
    public void WriteIfAsked(IEnumerable<(string Name, string Value)> values)
    {
        if (Environment.GetEnvironmentVariable(Variable) != "1")
            return;
        File.WriteAllLines(
            path,
            explanation
                .Split('\n')
                .Select(line => $"# {line}")
                .Concat(
                    values.SelectMany(v => v.Value.Chunk(Columns).Select(c => Indent + new string(c)).Prepend(v.Name))
                )
        );
        Assert.Skip($"{name} was written anew: read its diff, then run the tests without {Variable}");
    }
}
