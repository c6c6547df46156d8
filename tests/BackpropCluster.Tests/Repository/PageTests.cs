using System.CommandLine;
using System.Text.RegularExpressions;
using BackpropCluster.Cli;
using BackpropCluster.Tests.Deploy;

namespace BackpropCluster.Tests.Repository;

/// <summary>What the pages name exists: commands, options, tests, mutants, files, links. That the commands also run is
/// the affair of <see cref="PageCommandTests"/>.</summary>
public sealed partial class PageTests
{
    [Fact]
    public void EveryCommandIsUnderstood()
    {
        Assert.True(Pages.Commands.Count >= 40, $"only {Pages.Commands.Count} commands were found in the pages");
        NoneFails(
            Pages.Commands,
            arguments => string.Join(" ", Program.Root().Parse(arguments).Errors.Select(e => e.Message))
        );
    }

    /// <summary>Also where a page names a verb with one option only, as in "train … --wait 10m".</summary>
    [Fact]
    public void EveryVerbHasTheOptionsThatAPageNames()
    {
        var verbs = Program.Root().Subcommands.Select(verb => verb.Name).ToHashSet();
        var mentions = Pages.Mentions(verbs).ToList();
        Assert.True(mentions.Count >= 50, $"only {mentions.Count} verbs were found in the pages");
        NoneFails(mentions, UnknownWord);
    }

    [Fact]
    public void EveryTestThatAPageNamesExists()
    {
        var sources = RepositoryTests.Sources("tests").Select(source => source.Text).ToList();
        var tests = Named(TestInText());
        Assert.True(tests.Count >= 40, $"only {tests.Count} tests were found in the pages");
        NoneFails(
            tests,
            test =>
            {
                var names = test.Split('.');
                var declaring = sources.FindAll(s => Regex.IsMatch(s, $@"\bclass {names[0]}\b"));
                return declaring.Count == 0 ? $"no class {names[0]} is below tests"
                    : names.Length == 1 || declaring.Exists(s => Regex.IsMatch(s, $@" (void|Task) {names[1]}\(")) ? ""
                    : $"{names[0]} has no method {names[1]}";
            }
        );
    }

    [Fact]
    public void EveryMutantThatAPageNamesExists()
    {
        var mutants = File.ReadAllText(DeployFiles.PathOf("tests/BackpropCluster.Tests/Explorer/MutantTests.cs"));
        var named = Named(MutantInText());
        Assert.True(named.Count >= 3, $"only {named.Count} mutants were found in the pages");
        NoneFails(
            named,
            name =>
                mutants.Contains($"[\"{name}\"] =", StringComparison.Ordinal) ? "" : $"MutantTests has no \"{name}\""
        );
    }

    [Fact]
    public void EveryPathThatAPageNamesExists()
    {
        var paths = Pages.Code.Where(code => PathAlone().IsMatch(code.Text)).ToList();
        Assert.True(paths.Count >= 60, $"only {paths.Count} paths were found in the pages");
        NoneFails(paths, path => Path.Exists(DeployFiles.PathOf(path)) ? "" : "there is no such file or folder");
    }

    [Fact]
    public void EveryDecisionThatAPageNamesExists()
    {
        var numbers = Named(DecisionInText());
        Assert.True(numbers.Count >= 5, $"only {numbers.Count} decisions were found in the pages");
        NoneFails(
            numbers,
            number =>
                Directory.GetFiles(DeployFiles.PathOf("docs/decisions"), $"{number}-*.md").Length == 1
                    ? ""
                    : $"docs/decisions has no number {number}"
        );
    }

    [Fact]
    public void EveryRelativeLinkLeadsSomewhere() =>
        NoneFails(
            Pages.Lines.SelectMany(line => Links(line).Select(target => (line.Where, target))).ToList(),
            BrokenLink
        );

    /// <summary>The pages name files by their paths today, and have few links: so that a broken one would be
    /// seen.</summary>
    [Theory]
    [InlineData("README.md", "see [the protocol](docs/protocol.md)", true)]
    [InlineData("README.md", "see [the promise](#the-promise-of-equal-bits-and-its-proof)", true)]
    [InlineData("docs/protocol.md", "see [why](decisions/0027-one-router-one-grain-interface.md)", true)]
    [InlineData("docs/protocol.md", "see [numbers](../README.md#honest-numbers)", true)]
    [InlineData("README.md", "see [the protocol](protocol.md)", false)]
    [InlineData("docs/protocol.md", "see [numbers](../README.md#no-such-heading)", false)]
    public void ALinkIsFollowedFromItsPage(string page, string text, bool leadsSomewhere)
    {
        var line = new PageLine(page, 1, text, IsCode: false);
        Assert.Equal(leadsSomewhere, BrokenLink(Assert.Single(Links(line))).Length == 0);
    }

    private static void NoneFails(IReadOnlyCollection<(string Where, string Text)> named, Func<string, string> problem)
    {
        var failures = named
            .Select(n => (n.Where, n.Text, Problem: problem(n.Text)))
            .Where(n => n.Problem.Length > 0)
            .Select(n => $"{n.Where}: '{n.Text}': {n.Problem}")
            .ToList();
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    private static List<(string Where, string Text)> Named(Regex named) =>
        [.. Pages.Lines.SelectMany(l => named.Matches(l.Text).Select(m => (l.Where, m.Groups[1].Value)))];

    private static string UnknownWord(string mention)
    {
        Command command = Program.Root();
        foreach (var word in mention.Split(' '))
            if (word.StartsWith("--", StringComparison.Ordinal))
            {
                if (!command.Options.Any(option => option.Name == word))
                    return $"{command.Name} has no option {word}";
            }
            else if (command.Subcommands.FirstOrDefault(c => c.Name == word) is { } subcommand)
                command = subcommand;
            else if (command.Subcommands.Count > 0)
                return $"{command.Name} has no {word}";
        return "";
    }

    // Targets below the repository's root, those of headings with the page: "docs/protocol.md#one-step".
    private static IEnumerable<string> Links(PageLine line) =>
        LinkInText()
            .Matches(line.IsCode ? "" : line.Text)
            .Select(link => link.Groups[1].Value)
            .Where(target => !target.Contains("://", StringComparison.Ordinal))
            .Select(target =>
                target[0] == '#' ? line.Page + target : Path.Join(Path.GetDirectoryName(line.Page), target)
            );

    private static string BrokenLink(string target)
    {
        var path = DeployFiles.PathOf(target.Split('#')[0]);
        if (!Path.Exists(path))
            return "there is no such file or folder";
        return !target.Contains('#', StringComparison.Ordinal) || Anchors(path).Contains(target.Split('#')[1])
            ? ""
            : "that page has no such heading";
    }

    // As GitHub makes them of headings: "## See it happen" is see-it-happen.
    private static IEnumerable<string> Anchors(string path) =>
        File.ReadLines(path)
            .Where(line => line.StartsWith('#'))
            .Select(line => NoAnchor().Replace(line.TrimStart('#').Trim().ToLowerInvariant(), "").Replace(' ', '-'));

    // Not the name of a file, which may hold several.
    [GeneratedRegex(@"(?<![/\w])([A-Z]\w*Tests\b(?!\.cs)(?:\.[A-Z]\w+)?)")]
    private static partial Regex TestInText();

    [GeneratedRegex("\\bmutant \"([^\"]+)\"")]
    private static partial Regex MutantInText();

    [GeneratedRegex(@"^(?:src|tests|docs|examples|deploy|dashboards|\.ci)(?:/[A-Za-z0-9_.-]+)*/?$")]
    private static partial Regex PathAlone();

    [GeneratedRegex(@"\bdecisions/(\d{4})\b")]
    private static partial Regex DecisionInText();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex LinkInText();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NoAnchor();
}
