using System.Text.RegularExpressions;

namespace BackpropCluster.Tests.Dashboards;

/// <summary>One place in a query where series are chosen.</summary>
/// <param name="Series">Their name.</param>
/// <param name="Labels">The labels that are asked for.</param>
internal sealed record Selector(string Series, IReadOnlyList<string> Labels);

/// <summary>The names in a query: which series it chooses, and which labels remain.</summary>
/// <param name="Selectors">In the query's order.</param>
/// <param name="Groupings">The labels of every <c>by</c> and <c>on</c>.</param>
internal sealed partial record PromQl(IReadOnlyList<Selector> Selectors, IReadOnlyList<string> Groupings)
{
    private static readonly HashSet<string> ListsLabels =
    [
        "by",
        "on",
        "without",
        "ignoring",
        "group_left",
        "group_right",
    ];

    private static readonly HashSet<string> Words =
    [
        "and",
        "or",
        "unless",
        "bool",
        "offset",
        "group_left",
        "group_right",
        "sum",
        "min",
        "max",
        "avg",
        "count",
        "group",
        "stddev",
        "stdvar",
        "quantile",
        "topk",
        "bottomk",
    ];

    /// <summary>Reads a query that Prometheus would accept; whether it would is another test's question.</summary>
    public static PromQl Read(string query)
    {
        var tokens = Token().Matches(query).Select(match => match.Value).ToList();
        var (selectors, groupings) = (new List<Selector>(), new List<string>());
        for (var i = 0; i < tokens.Count; i++)
        {
            var (token, next) = (tokens[i], i + 1 < tokens.Count ? tokens[i + 1] : "");
            if (token == "[")
            {
                i = tokens.IndexOf("]", i);
            }
            else if (token == "{")
            {
                var end = tokens.IndexOf("}", i);
                selectors[^1] = selectors[^1] with { Labels = [.. tokens[i..end].Where(IsName)] };
                i = end;
            }
            else if (ListsLabels.Contains(token) && next == "(")
            {
                if (token is "without" or "ignoring")
                    throw new FormatException(
                        $"'{token}' in a dashboard would let labels through that nobody has named: {query}"
                    );
                var end = tokens.IndexOf(")", i);
                groupings.AddRange(tokens[(i + 2)..end].Where(IsName));
                i = end;
            }
            else if (IsName(token) && next != "(" && !Words.Contains(token))
            {
                selectors.Add(new Selector(token, []));
            }
        }

        return new PromQl(selectors, groupings);
    }

    private static bool IsName(string token) => char.IsAsciiLetter(token[0]) || token[0] == '_';

    // Strings first: what is quoted is no name. Numbers with their unit, names, Grafana's variables, single signs.
    [GeneratedRegex(
        """
            "(?:[^"\\]|\\.)*"|\d[\w.]*|[A-Za-z_:][\w:]*|\$\w+|\S
            """,
        RegexOptions.IgnorePatternWhitespace
    )]
    private static partial Regex Token();
}
