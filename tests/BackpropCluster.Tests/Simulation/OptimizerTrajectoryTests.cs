using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Simulation;

namespace BackpropCluster.Tests.Simulation;

/// <summary>Optimizers and losses mean what PyTorch means by them: its parameters at every mark, to 1e-12.</summary>
public sealed class OptimizerTrajectoryTests
{
    private const double Tolerance = 1e-12;

    public static TheoryData<string> Names() => [.. OptimizerOracle.Cases().Select(c => c.Name)];

    [Theory, MemberData(nameof(Names))]
    public void TheReferenceMeetsEveryMark(string name)
    {
        var (oracle, spec, data) = Case(name);
        var seen = 0;
        var result = ReferenceTrainer.Train(
            spec,
            data,
            (step, parameters) =>
            {
                if (!oracle.Marks.Contains(step - 1))
                    return;
                seen++;
                AssertClose(
                    oracle.Parameters(step - 1),
                    [.. parameters.SelectMany(l => l.Weights.Concat(l.Biases))],
                    $"{name} before step {step}"
                );
            }
        );
        Assert.Equal(oracle.Marks.Count(), seen);
        foreach (var mark in oracle.Marks.Where(m => m < result.Steps.Length))
            Assert.Equal(oracle.Loss(mark), result.Steps[mark].Loss, Tolerance);
    }

    [Theory, MemberData(nameof(Names))]
    public void ShardsMeetEveryMarkAndEveryBitOfTheReference(string name)
    {
        var (oracle, spec, data) = Case(name);
        var reference = ReferenceTrainer.Train(spec, data);
        foreach (var granularity in new[] { Granularity.Neuron, new(2), Granularity.Layer })
        {
            var plan = Runs.Plan(spec, data, granularity) with { Trace = new TraceSpec(reference.Steps.Length, 0) };
            var carrier = new DeterministicSimulator(plan, data, DeterministicSimulator.Product, Disturbance.None, 3);
            var result = carrier.Run();
            Assert.Equal(reference.WeightsSha256, result!.WeightsSha256);
            Assert.Equal(reference.Steps, result.Steps);
            foreach (var mark in oracle.Marks.Where(m => m > 0 && m < result.Steps.Length))
                AssertClose(
                    oracle.Parameters(mark),
                    Updated(carrier, plan, mark),
                    $"{name}, {granularity} shards, before step {mark + 1}"
                );
            AssertClose(
                oracle.Parameters(result.Steps.Length),
                [.. result.Parameters.SelectMany(l => l.Weights.Concat(l.Biases))],
                $"{name}, {granularity} shards, at the end"
            );
        }
    }

    private static double[] Updated(DeterministicSimulator carrier, RunPlan plan, int step)
    {
        var updates = carrier
            .Observations.OfType<ShardUpdated>()
            .Where(o => o.Key.Step == step)
            .OrderBy(o => o.Shard.First)
            .ToLookup(o => o.Shard.Layer);
        return
        [
            .. Enumerable
                .Range(1, plan.Depth)
                .SelectMany(layer =>
                    updates[layer].SelectMany(o => o.Weights).Concat(updates[layer].SelectMany(o => o.Biases))
                ),
        ];
    }

    private static (OptimizerOracle Oracle, Core.RunSpec Spec, Dataset Data) Case(string name)
    {
        var oracle = OptimizerOracle.Cases().Single(c => c.Name == name);
        var spec = oracle.Spec();
        return (oracle, spec, Dataset.Prepare(oracle.Table(), spec.Data, spec.Seed, spec.Model.Layers[^1].Units));
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
