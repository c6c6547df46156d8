using System.Diagnostics;
using BackpropCluster.Cli.RunFiles;

namespace BackpropCluster.Tests.RunFiles;

/// <summary>A run file of any size is a run or a short error within seconds.</summary>
public sealed class HugeRunFileTests
{
    public static TheoryData<string, string> Megabytes() =>
        new()
        {
            { "distinct keys", string.Concat(Enumerable.Range(0, 90_000).Select(i => $"k{i}: 1\n")) },
            {
                "distinct keys in braces",
                $"{{ {string.Concat(Enumerable.Range(0, 90_000).Select(i => $"k{i}: 1, "))} }}"
            },
            { "one key", "? " + new string('a', 1_000_000) + "\n: 1" },
            { "one value", "version: " + new string('a', 1_000_000) },
            { "line breaks in one value", "version: \"" + string.Concat(Enumerable.Repeat("\\n", 500_000)) + "\"" },
            { "brackets", new string('[', 1_000_000) },
            { "braces", new string('{', 1_000_000) },
            { "dashes", string.Concat(Enumerable.Repeat("- ", 500_000)) },
            { "quotes", new string('\'', 1_000_000) },
            { "documents", string.Concat(Enumerable.Repeat("---\n", 250_000)) },
        };

    /// <summary>The bound is wide for a busy machine: what it guards against took half a minute.</summary>
    [Theory, MemberData(nameof(Megabytes), DisableDiscoveryEnumeration = true)]
    public void AMegabyteOfAnythingIsAShortErrorWithinSeconds(string of, string text)
    {
        var began = Stopwatch.GetTimestamp();
        BadRunFileTests.AssertClear(Assert.Throws<RunFileException>(() => BadRunFileTests.Read(text)), []);
        Assert.True(
            Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(5),
            $"a megabyte of {of} took {Stopwatch.GetElapsedTime(began)}"
        );
    }

    [Fact]
    public void AHugeFileIsRefusedBeforeItIsParsed()
    {
        var text = BadRunFileTests.Good + new string('#', RunFileSyntax.MaxCharacters);
        var began = Stopwatch.GetTimestamp();
        BadRunFileTests.AssertClear(
            Assert.Throws<RunFileException>(() => BadRunFileTests.Read(text)),
            ["characters, at most 1048576"]
        );
        Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(1));
    }

    [Fact]
    public void AModelTooLargeForTheLimitsIsRefusedBeforeAnythingIsAllocated()
    {
        var text = BadRunFileTests
            .Good.Replace("units: 32", "units: 1000000", StringComparison.Ordinal)
            .Replace(
                "    - { units: 10",
                "    - { units: 1000000, activation: relu }\n    - { units: 10",
                StringComparison.Ordinal
            );
        var before = GC.GetAllocatedBytesForCurrentThread();
        BadRunFileTests.AssertClear(
            Assert.Throws<RunFileException>(() => BadRunFileTests.Read(text)),
            ["r.yaml:14:16", "more than 100,000,000 parameters"]
        );
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 64 << 20);
    }
}
