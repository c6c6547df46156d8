using BackpropCluster.Core.Learning;
using BackpropCluster.Simulation;
using BackpropCluster.Simulation.Exploration;

namespace BackpropCluster.Tests.Explorer;

/// <summary>One seed is one history, and what the explorer says of a history can be trusted.</summary>
public class ExecutionTests
{
    [Fact]
    public void OneSeedIsOneHistoryAndAnotherIsAnother()
    {
        Assert.Equal(Counts(3), Counts(3));
        Assert.NotEqual(Counts(3), Counts(4));
    }

    [Fact]
    public void TheSeedsCoverWhatTheyPromise()
    {
        var scenarios = Enumerable.Range(0, 2000).Select(seed => Scenario.Of((ulong)seed)).ToList();
        Assert.Equal([1, 2, 3, 4, 5], scenarios.Select(s => s.Silos).Distinct().Order());
        Assert.Equal(Models.Count, scenarios.Select(s => s.Model).Distinct().Count());
        Assert.True(scenarios.Max(s => s.Rates.Loss) > 0.25 && scenarios.Max(s => s.Rates.Repeat) > 0.45);
        var models = new Models(ReferenceTrainer.Train);
        var shards = scenarios.Select(s => s.PlanOf(models.Of(s.Model)).ShardCount).ToList();
        Assert.True(shards.Min() <= 2 && shards.Max() == 60, $"{shards.Min()} to {shards.Max()} shards");
    }

    // A golden value that is wrong in one bit must be noticed, or equality means nothing.
    [Fact]
    public void AReferenceThatDiffersInOneBitIsNoticed()
    {
        var wrong = new BackpropCluster.Simulation.Exploration.Explorer(
            (spec, data, watch) =>
            {
                var result = ReferenceTrainer.Train(spec, data, watch);
                var first = result.Parameters[0];
                var parameters = result.Parameters.SetItem(
                    0,
                    first with
                    {
                        Biases = [Math.BitIncrement(first.Biases[0]), .. first.Biases[1..]],
                    }
                );
                return new TrainingResult(parameters, result.Steps, result.Evaluations);
            }
        );
        Assert.Contains("it ended in the hash", wrong.Explore(0, new Tally())!.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void FaultsReadAsTheyArePrinted()
    {
        Fault[] faults = [new(12, FaultKind.Lose), new(99, FaultKind.CrashSilo, 4_000_000_000)];
        Assert.Equal(faults, Fault.Parse(string.Join(", ", faults)));
    }

    private static string Counts(ulong seed)
    {
        var tally = new Tally();
        Assert.Null(new BackpropCluster.Simulation.Exploration.Explorer(ReferenceTrainer.Train).Explore(seed, tally));
        return tally.ToString();
    }
}
