using System.Text.RegularExpressions;
using BackpropCluster.Cli;

namespace BackpropCluster.Tests.Repository;

/// <summary>What no compiler checks: the core's purity, sizes, and that the README tells the truth about commands and
/// paths.</summary>
public sealed partial class RepositoryTests
{
    private static readonly string Root = FindRoot();

    [Theory, InlineData("BackpropCluster.Core"), InlineData("BackpropCluster.Simulation")]
    public void PureProjectsKnowNoTaskClockFileOrConsole(string project)
    {
        foreach (var (path, text) in Sources(Path.Combine("src", project)))
            Assert.False(
                Impure().Match(WithoutComments(text)) is { Success: true } match,
                $"{path} uses '{Impure().Match(WithoutComments(text)).Value}'; a state machine takes time and "
                    + $"chance as parameters"
            );
    }

    [Fact]
    public void NoChanceIsDrawnInTheProduct()
    {
        foreach (var (path, text) in Sources("src"))
            Assert.DoesNotMatch(
                @"Random\.Shared|new Random\(|Guid\.NewGuid|DateTime(Offset)?\.(Utc)?Now|Thread\.Sleep|Task\.Delay",
                path.EndsWith("RepositoryTests.cs", StringComparison.Ordinal) ? "" : text
            );
    }

    [Fact]
    public void NoFileIsLongerThan400LinesAndNoMethodLongerThan70()
    {
        foreach (var (path, text) in Sources("src").Concat(Sources("tests")))
        {
            var lines = text.Split('\n');
            Assert.True(lines.Length <= 401, $"{path} has {lines.Length} lines");
            var start = -1;
            for (var i = 0; i < lines.Length; i++)
            {
                // A member's body stands at one level of indentation: between "    {" and "    }". A table of values
                // ends in "};".
                if (lines[i].TrimEnd() == "    {")
                    start = i;
                else if (
                    lines[i].TrimEnd() == "    }"
                    && start >= 0
                    && !lines[start - 1].Contains(" class ", StringComparison.Ordinal)
                    && !lines[start - 1].Contains(" struct ", StringComparison.Ordinal)
                )
                    Assert.True(i - start - 1 <= 70, $"{path}:{start} has a member of {i - start - 1} lines");
            }
        }
    }

    /// <summary>Apart from lines of test data, which are as wide as what they show.</summary>
    [Fact]
    public void NoLineIsWiderThan120Columns()
    {
        foreach (var (path, text) in Sources("src").Concat(Sources("tests")))
        {
            var lines = (
                path.StartsWith("src", StringComparison.Ordinal)
                    ? text
                    : Literal().Replace(text, data => new string('\n', data.Value.Count(c => c == '\n')))
            ).Split('\n');
            var wide = Array.FindIndex(lines, line => line.Length > 120);
            Assert.True(wide < 0, $"{path}:{wide + 1} has {(wide < 0 ? 0 : lines[wide].Length)} columns");
        }
    }

    [Fact]
    public void EveryPathInTheReadmeExists()
    {
        var paths = PathInText().Matches(Readme()).Select(m => m.Groups[1].Value).Distinct().ToList();
        Assert.NotEmpty(paths);
        foreach (var path in paths)
            Assert.True(Path.Exists(Path.Combine(Root, path)), $"README.md names {path}, which does not exist");
    }

    [Fact]
    public void EveryTestThatAPageNamesExists()
    {
        var tests = string.Concat(Sources("tests").Select(s => s.Text));
        var pages = Directory
            .GetFiles(Path.Combine(Root, "docs"), "*.md", SearchOption.AllDirectories)
            .Append(Path.Combine(Root, "README.md"))
            .Append(Path.Combine(Root, "deploy", "README.md"));
        var named = pages
            .SelectMany(page =>
                TestInText()
                    .Matches(File.ReadAllText(page))
                    .Select(match => (Page: Path.GetRelativePath(Root, page), match.Groups))
            )
            .ToList();
        Assert.True(named.Count >= 20, $"only {named.Count} tests were found in the pages");
        foreach (var (page, groups) in named)
        {
            Assert.True(
                Regex.IsMatch(tests, $@"class {groups["type"].Value}\b"),
                $"{page} names {groups["type"].Value}, which does not exist"
            );
            Assert.True(
                tests.Contains($" {groups["method"].Value}(", StringComparison.Ordinal) || !groups["method"].Success,
                $"{page} names {groups[0].Value}, which does not exist"
            );
        }
    }

    /// <summary>What a layer computes does not depend on who carries its messages.</summary>
    [Theory, InlineData("Learning"), InlineData("Data")]
    public void ArithmeticDoesNotKnowTheProtocol(string folder)
    {
        foreach (var (path, text) in Sources(Path.Combine("src", "BackpropCluster.Core", folder)))
            Assert.False(WithoutComments(text).Contains("Protocol", StringComparison.Ordinal), path);
    }

    /// <summary>A seed, or a run, must mean the same on every machine, and the C library's functions are rounded by its
    /// own lights.</summary>
    [Theory, InlineData("BackpropCluster.Core"), InlineData("BackpropCluster.Simulation")]
    public void PureProjectsAskTheCLibraryForNoNumber(string project)
    {
        foreach (var (path, text) in Sources(Path.Combine("src", project)))
            Assert.False(
                Inexact().Match(WithoutComments(text)) is { Success: true } match,
                $"{path} uses '{Inexact().Match(WithoutComments(text)).Value}'; see PortableMath"
            );
    }

    [Fact]
    public void EveryCommandInTheReadmeIsUnderstood()
    {
        var commands = CommandInText()
            .Matches(Readme())
            .Select(m => m.Groups[1].Value.Trim())
            .Where(c => c != "…")
            .ToList();
        Assert.True(commands.Count >= 5, $"only {commands.Count} commands were found in README.md");
        foreach (var command in commands)
        {
            var parsed = Program.Root().Parse(command);
            Assert.True(
                parsed.Errors.Count == 0,
                $"README.md: '{command}': {string.Join(" ", parsed.Errors.Select(e => e.Message))}"
            );
        }
    }

    /// <summary>The two commands on which a newcomer's first minutes depend.</summary>
    [Fact]
    public void TheReadmeBeginsWithTheTwoCommands()
    {
        Assert.Contains(
            "dotnet run -c Release --project src/BackpropCluster.Cli -- train examples/digits.yaml\n",
            Readme(),
            StringComparison.Ordinal
        );
        Assert.Contains("<!-- tests -->\n```\ndotnet test -c Release\n```\n", Readme(), StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(Root, ".ci", "run")));
    }

    /// <summary>tests/protections/prove.sh takes them away one by one and sees the test go red; here only that each is
    /// still there.</summary>
    [Fact]
    public void EveryProtectionOnTheListStandsWhereItSays()
    {
        var tests = string.Concat(Sources("tests").Select(s => s.Text));
        var listed = File.ReadLines(Path.Combine(Root, "tests", "protections", "protections.tsv"))
            .Where(line => !line.StartsWith('#'))
            .Select(line => line.Split('\t'))
            .ToList();
        Assert.True(listed.Count >= 5, $"only {listed.Count} protections are listed");
        foreach (var fields in listed)
        {
            Assert.Equal(6, fields.Length);
            Assert.Equal(
                2,
                Squeezed(File.ReadAllText(Path.Combine(Root, fields[0]))).Split(Squeezed(fields[1])).Length
            );
            Assert.Contains($"class {fields[4]}", tests, StringComparison.Ordinal);
        }
    }

    // A formatter may break a listed line anywhere between two words.
    private static string Squeezed(string text) => Whitespace().Replace(text, " ");

    [Fact]
    public void EveryDecisionFitsOnAScreen()
    {
        foreach (var path in Directory.GetFiles(Path.Combine(Root, "docs", "decisions"), "*.md"))
        {
            var lines = File.ReadAllLines(path);
            Assert.InRange(lines.Length, 5, 40);
            foreach (
                var part in new[] { "**Status**", "**Force", "**Decision", "**Else", "**Price", "**We would notice" }
            )
                Assert.True(
                    Array.Exists(lines, line => line.StartsWith(part, StringComparison.Ordinal)),
                    $"{Path.GetFileName(path)} lacks {part}**"
                );
        }
    }

    private static string Readme() => File.ReadAllText(Path.Combine(Root, "README.md"));

    internal static IEnumerable<(string Path, string Text)> Sources(string below) =>
        Directory
            .EnumerateFiles(Path.Combine(Root, below), "*.cs", SearchOption.AllDirectories)
            .Where(path =>
                !path.Contains(
                    $"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}",
                    StringComparison.Ordinal
                )
            )
            .Select(path => (Path.GetRelativePath(Root, path), File.ReadAllText(path)));

    private static string WithoutComments(string text) => LineComment().Replace(text, "");

    private static string FindRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "BackpropCluster.sln")))
            directory =
                directory.Parent
                ?? throw new InvalidOperationException("the tests do not run below the repository's root");
        return directory.FullName;
    }

    [GeneratedRegex(
        @"\bTask\b|ValueTask|Stopwatch|DateTime|TimeProvider|Environment\.|\bConsole\.|\bFile\.|Directory\.|Random\.Shared|Guid\.|IGrain\b|: Grain\b"
    )]
    private static partial Regex Impure();

    [GeneratedRegex(@"`(?<type>[A-Z][A-Za-z0-9]*Tests)(?:\.(?<method>[A-Za-z0-9]+))?`")]
    private static partial Regex TestInText();

    [GeneratedRegex(@"(?<!Portable)Math\.(Pow|Exp|Log\w*|Tanh|Sinh|Cosh|Sin|Cos|Tan|A\w*tan2?|Cbrt)\(")]
    private static partial Regex Inexact();

    [GeneratedRegex("//.*")]
    private static partial Regex LineComment();

    [GeneratedRegex(@"(?:`|\()((?:src|tests|docs|examples|\.ci)/[A-Za-z0-9_./-]+)(?:`|\))")]
    private static partial Regex PathInText();

    // Raw and verbatim text, which may go over several lines and cannot be broken.
    [GeneratedRegex("\"{3}.*?\"{3}|@\"[^\"\n]*\"", RegexOptions.Singleline)]
    private static partial Regex Literal();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Whitespace();

    [GeneratedRegex(
        @"(?:^|`)(?:dotnet run -c Release --project src/BackpropCluster\.Cli --|backprop) ([^`\n]+)",
        RegexOptions.Multiline
    )]
    private static partial Regex CommandInText();
}
