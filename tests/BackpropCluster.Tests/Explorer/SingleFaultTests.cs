using System.Diagnostics;
using BackpropCluster.Core.Learning;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Simulation;

namespace BackpropCluster.Tests.Explorer;

/// <summary>Promise R1, exhaustively: any single fault at any message of a small run costs time, never a bit.</summary>
public class SingleFaultTests
{
    // On one silo, two and three.
    [Fact]
    public void EveryMessageMeetsEveryFaultAndTheBitsStayTheSame()
    {
        var explorer = new BackpropCluster.Simulation.Exploration.Explorer(ReferenceTrainer.Train);
        var (tally, cases, start) = (new Tally(), 0, Stopwatch.GetTimestamp());
        foreach (var silos in (int[])[1, 2, 3])
        {
            var (count, findings) = explorer.ExploreSingleFaults(silos, tally);
            Assert.True(
                findings.IsEmpty,
                $"{findings.Length} of {count} cases fail:\n{string.Join('\n', findings.Take(12))}"
            );
            cases += count;
        }

        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{cases} cases in {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s: {tally}"
        );
        Assert.True(cases >= 3000, $"only {cases} cases");
    }
}
