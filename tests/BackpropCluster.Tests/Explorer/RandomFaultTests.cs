using System.Diagnostics;
using BackpropCluster.Core.Learning;
using BackpropCluster.Simulation;
using BackpropCluster.Simulation.Exploration;

namespace BackpropCluster.Tests.Explorer;

/// <summary>Promises R1 to R5 by chance: whatever goes wrong for a while, the run finishes with the reference's
/// bits.</summary>
public class RandomFaultTests
{
    private const int Seeds = 400;

    [Fact]
    public void EverySeedEndsInTheReferencesBits() => Explore(0, Seeds);

    internal static void Explore(ulong first, int seeds)
    {
        var explorer = new BackpropCluster.Simulation.Exploration.Explorer(ReferenceTrainer.Train);
        var (tally, findings, start) = (new Tally(), new List<Counterexample>(), Stopwatch.GetTimestamp());
        for (var seed = first; seed < first + (ulong)seeds && findings.Count < 5; seed++)
            if (explorer.Explore(seed, tally) is { } finding)
                findings.Add(finding);
        var took = Stopwatch.GetElapsedTime(start);
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{seeds} seeds in {took.TotalSeconds:0.0} s, {took.TotalMilliseconds / seeds:0.00} ms each: {tally}"
        );
        Assert.True(findings.Count == 0, string.Join('\n', findings));
        long[] counts =
        [
            tally.Losses,
            tally.Repeats,
            tally.Delays,
            tally.Crashes,
            tally.SiloLosses,
            tally.CoordinatorCrashes,
            tally.StoreFaults,
            tally.Recoveries,
            tally.Moves,
            tally.ReplayedSteps,
        ];
        Assert.All(counts, count => Assert.True(count > 20, $"a fault that never happens proves nothing: {tally}"));
    }
}

/// <summary>The same for as many seeds as CI has time for.</summary>
[Trait("length", "long")]
public class LongRandomFaultTests
{
    private const int Seeds = 10_000;

    [Fact]
    public void EverySeedOfTenThousandEndsInTheReferencesBits()
    {
        Assert.SkipUnless(
            Environment.GetEnvironmentVariable("BACKPROP_LONG_TESTS") == "1",
            "a long test: set BACKPROP_LONG_TESTS=1"
        );
        RandomFaultTests.Explore(0, Seeds);
    }
}
