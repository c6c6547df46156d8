using System.Text.RegularExpressions;

namespace BackpropCluster.Tests.Repository;

/// <summary>What no compiler checks: the core's purity, sizes, the README's first two commands, and lists that name
/// lines of code. What else the pages say is compared by <see cref="PageTests"/>.</summary>
public sealed partial class RepositoryTests
{
    private static readonly string Root = FindRoot();

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

    /// <summary>What a layer computes does not depend on who carries its messages.</summary>
    [Theory, InlineData("Learning"), InlineData("Data")]
    public void ArithmeticDoesNotKnowTheProtocol(string folder)
    {
        foreach (var (path, text) in Sources(Path.Combine("src", "BackpropCluster.Core", folder)))
            Assert.False(WithoutComments(text).Contains("Protocol", StringComparison.Ordinal), path);
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

    [GeneratedRegex("//.*")]
    private static partial Regex LineComment();

    // Raw and verbatim text, which may go over several lines and cannot be broken.
    [GeneratedRegex("\"{3}.*?\"{3}|@\"[^\"\n]*\"", RegexOptions.Singleline)]
    private static partial Regex Literal();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Whitespace();
}
