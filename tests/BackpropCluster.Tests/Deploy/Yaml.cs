using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace BackpropCluster.Tests.Deploy;

/// <summary>A YAML file's documents, with aliases and merge keys resolved, and the way to a value in one of
/// them.</summary>
internal static class Yaml
{
    public static IReadOnlyList<YamlNode> Read(string path)
    {
        using var text = new StringReader(File.ReadAllText(path));
        var stream = new YamlStream();
        stream.Load(new MergingParser(new Parser(text)));
        return [.. stream.Documents.Select(document => document.RootNode)];
    }

    /// <summary>The value below these keys or positions, or null if there is none.</summary>
    public static YamlNode? Find(this YamlNode node, params object[] way)
    {
        foreach (var step in way)
        {
            var below = (node, step) switch
            {
                (YamlMappingNode mapping, string key) => mapping.Children.TryGetValue(
                    new YamlScalarNode(key),
                    out var value
                )
                    ? value
                    : null,
                (YamlSequenceNode sequence, int position) => sequence.Children.ElementAtOrDefault(position),
                _ => null,
            };
            if (below is null)
                return null;
            node = below;
        }

        return node;
    }

    /// <summary>The value below these keys or positions; a test fails where there is none.</summary>
    public static YamlNode At(this YamlNode node, params object[] way) =>
        node.Find(way)
        ?? throw new Xunit.Sdk.XunitException($"line {node.Start.Line}: there is no {string.Join('.', way)}");

    public static string Text(this YamlNode node, params object[] way) =>
        (node.At(way) as YamlScalarNode)?.Value
        ?? throw new Xunit.Sdk.XunitException($"line {node.Start.Line}: {string.Join('.', way)} is not a scalar");

    public static int Number(this YamlNode node, params object[] way) =>
        int.Parse(node.Text(way), System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>The elements of a list; none where there is no list.</summary>
    public static IReadOnlyList<YamlNode> Items(this YamlNode node, params object[] way) =>
        node.Find(way) is YamlSequenceNode list ? [.. list.Children] : [];

    public static string[] Texts(this YamlNode node, params object[] way) =>
        [.. node.Items(way).Select(item => item.Text())];

    /// <summary>A mapping of scalars; empty where there is none.</summary>
    public static SortedDictionary<string, string> Pairs(this YamlNode node, params object[] way) =>
        new(
            node.Find(way) is YamlMappingNode mapping
                ? mapping.Children.ToDictionary(pair => pair.Key.Text(), pair => pair.Value.Text())
                : [],
            StringComparer.Ordinal
        );

    /// <summary>A mapping's keys in the file's order.</summary>
    public static string[] Keys(this YamlNode node, params object[] way) =>
        [.. ((YamlMappingNode)node.At(way)).Children.Keys.Select(key => key.Text())];
}
