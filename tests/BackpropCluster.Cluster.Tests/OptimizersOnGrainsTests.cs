using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Client;

namespace BackpropCluster.ClusterTests;

/// <summary>PyTorch's trajectories, trained through real grains: every parameter at every mark.</summary>
public abstract class OptimizersOnGrains(Silos silos)
{
    private const double Tolerance = 1e-12;

    public static TheoryData<string> Names() => [.. OptimizerOracle.Cases().Select(c => c.Name)];

    [Theory, MemberData(nameof(Names))]
    public async Task EveryMarkIsMetInEveryCut(string name)
    {
        var oracle = OptimizerOracle.Cases().Single(c => c.Name == name);
        // The rows are told to the silos as a file of the case's name, which Tables knows.
        var spec = oracle.Spec() is var s
            ? s with
            {
                Data = s.Data with { Source = DataSource.Csv, Csv = new CsvFile(name, false, "0", null) },
            }
            : null!;
        foreach (var granularity in (Granularity[])[Granularity.Neuron, new(2), Granularity.Layer])
        {
            var plan = Tables.Plan(spec, granularity, "oracle") is var p
                ? p with
                {
                    Fingerprint = (ulong)p.Run.GetHashCode(StringComparison.Ordinal),
                    Trace = new TraceSpec(oracle.Marks.Max(), 0),
                }
                : null!;
            var outcome = await TrainingClient.Train(
                silos.Grains,
                plan,
                TimeSpan.FromSeconds(20),
                cancellation: TestContext.Current.CancellationToken
            );
            Assert.True(outcome.Result is not null, $"{name}, {granularity}: {outcome.Last.Failure?.Reason}");
            Assert.Equal(0, outcome.Last.Recoveries);
            var updates = silos
                .Recorder.Of(plan.Fingerprint, outcome.Last.Term)
                .OfType<ShardUpdated>()
                .ToLookup(o => o.Key.Step);
            foreach (var mark in oracle.Marks.Where(m => m > 0 && m < outcome.Result.Steps.Length))
            {
                AssertClose(
                    oracle.Parameters(mark),
                    Parameters(plan, updates[mark]),
                    $"{name}, {granularity} shards, before step {mark + 1}"
                );
                Assert.Equal(oracle.Loss(mark), outcome.Result.Steps[mark].Loss, Tolerance);
            }

            AssertClose(
                oracle.Parameters(outcome.Result.Steps.Length),
                [.. outcome.Result.Parameters.SelectMany(l => l.Weights.Concat(l.Biases))],
                $"{name}, {granularity} shards, at the end"
            );
        }
    }

    private static double[] Parameters(RunPlan plan, IEnumerable<ShardUpdated> updates)
    {
        var ofLayer = updates.OrderBy(o => o.Shard.First).ToLookup(o => o.Shard.Layer);
        return
        [
            .. Enumerable
                .Range(1, plan.Depth)
                .SelectMany(layer =>
                    ofLayer[layer].SelectMany(o => o.Weights).Concat(ofLayer[layer].SelectMany(o => o.Biases))
                ),
        ];
    }

    private static void AssertClose(double[] expected, double[] actual, string where)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var k = 0; k < expected.Length; k++)
            Assert.True(
                Math.Abs(expected[k] - actual[k]) <= Tolerance,
                $"{where}: parameter {k} is {actual[k]:R}, PyTorch has {expected[k]:R}"
            );
    }
}

public sealed class OneSiloOptimizersTests(OneSilo silos) : OptimizersOnGrains(silos), IClassFixture<OneSilo>;

public sealed class ThreeSiloOptimizersTests(ThreeSilos silos) : OptimizersOnGrains(silos), IClassFixture<ThreeSilos>;
