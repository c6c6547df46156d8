using System.Text.RegularExpressions;
using BackpropCluster.Tests.Deploy;

namespace BackpropCluster.Tests.Repository;

/// <summary>The pages that tell people about the program, read as Markdown: README.md, deploy/README.md and all of
/// docs.</summary>
internal static partial class Pages
{
    /// <summary>All lines of all pages; README.md comes first.</summary>
    public static IReadOnlyList<PageLine> Lines { get; } =
    [
        .. new[] { "README.md", "deploy/README.md" }
            .Concat(
                Directory
                    .EnumerateFiles(DeployFiles.PathOf("docs"), "*.md", SearchOption.AllDirectories)
                    .Select(path => Path.GetRelativePath(DeployFiles.Root, path).Replace('\\', '/'))
                    .Order(StringComparer.Ordinal)
            )
            .SelectMany(Read),
    ];

    /// <summary>What stands as code: each line of a fenced block without its comment, and each span between
    /// backticks.</summary>
    public static IReadOnlyList<(string Where, string Text)> Code { get; } =
    [
        .. Lines.SelectMany(line =>
            line.IsCode
                ? [(line.Where, Comment().Replace(line.Text, "").Trim())]
                : Span().Matches(line.Text).Select(span => (line.Where, span.Groups[1].Value.Trim()))
        ),
    ];

    /// <summary>What follows <c>backprop</c>, or what <c>backprop</c> stands for; commands that are cut short by "…"
    /// are not among them.</summary>
    public static IReadOnlyList<(string Where, string Arguments)> Commands { get; } =
    [
        .. Code.Select(code => (code.Where, Match: Command().Match(code.Text)))
            .Where(code => code.Match.Success && !code.Match.Value.Contains('…', StringComparison.Ordinal))
            .Select(code => (code.Where, code.Match.Groups[1].Value)),
    ];

    /// <summary>Code that begins with one of the words, with or without <c>backprop</c> before it: a verb and some of
    /// its options.</summary>
    public static IEnumerable<(string Where, string Text)> Mentions(IReadOnlySet<string> verbs) =>
        Code.Select(code =>
                (code.Where, Text: Command().Match(code.Text) is { Success: true } m ? m.Groups[1].Value : code.Text)
            )
            .Where(code => verbs.Contains(code.Text.Split(' ')[0]));

    private static IEnumerable<PageLine> Read(string page)
    {
        var isCode = false;
        var number = 0;
        foreach (var text in File.ReadLines(DeployFiles.PathOf(page)))
        {
            number++;
            if (text.StartsWith("```", StringComparison.Ordinal))
                isCode = !isCode;
            else
                yield return new PageLine(page, number, text, isCode);
        }
    }

    [GeneratedRegex(@"(?:^|\s)#\s.*")]
    private static partial Regex Comment();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Span();

    [GeneratedRegex(@"^(?:dotnet run -c Release --project src/BackpropCluster\.Cli --|backprop) (.+)$")]
    private static partial Regex Command();
}

/// <summary>A line of a page.</summary>
/// <param name="Page">The page's path below the repository's root.</param>
/// <param name="Number">Counted from 1.</param>
/// <param name="Text">The line.</param>
/// <param name="IsCode">Whether it stands in a fenced block.</param>
internal sealed record PageLine(string Page, int Number, string Text, bool IsCode)
{
    public string Where => $"{Page}:{Number}";
}
