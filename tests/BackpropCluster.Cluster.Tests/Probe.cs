using System.Diagnostics;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains;

namespace BackpropCluster.Tests;

public class Probe
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Works(int silos)
    {
        var o = TestContext.Current.TestOutputHelper!;
        var sw = Stopwatch.StartNew();
        await using var cluster = await EmbeddedCluster.Start(silos, cancellation: TestContext.Current.CancellationToken);
        o.WriteLine($"start {sw.ElapsedMilliseconds} ms");
        var n = 0;
        foreach (var (spec, gs) in new (RunSpec, Granularity[])[] { (Runs.Mazur(10000, UpdateOrder.AfterBackward), [Granularity.Neuron, Granularity.Neuron, Granularity.Layer]), (Runs.Uneven(5, epochs: 10), [Granularity.Neuron, new(3), Granularity.Layer]), (Digits, [Granularity.Layer, Granularity.Neuron]) })
        {
            var data = Runs.BuiltIn(spec);
            sw.Restart();
            var reference = ReferenceTrainer.Train(spec, data);
            o.WriteLine($"{spec.Name} reference {sw.ElapsedMilliseconds} ms");
            foreach (var g in gs)
            {
                sw.Restart();
                var plan = Runs.Plan(spec, data, g) with { Run = $"r{n++}" };
                var before = cluster.Traffic.Sum(t => t.Local + t.Remote);
                var outcome = await TrainingClient.Train(cluster.Grains, plan, TimeSpan.FromSeconds(10), cancellation: TestContext.Current.CancellationToken);
                var e = outcome.Last.Elapsed.TotalSeconds;
                o.WriteLine($"{spec.Name} {g} {outcome.Last.Status} {sw.ElapsedMilliseconds} ms {e:F3} s {outcome.Last.CommittedSteps / e:F0} steps/s {(cluster.Traffic.Sum(t => t.Local + t.Remote) - before) / e:F0} msg/s {outcome.Last.Failure?.Reason} rec {outcome.Last.Recoveries} {cluster.Traffic.Sum(t => t.Remote)}");
                Assert.Equal(reference.WeightsSha256, outcome.Result!.WeightsSha256);
            }
        }
        sw.Restart();
        await cluster.DisposeAsync();
        o.WriteLine($"stop {sw.ElapsedMilliseconds} ms");
    }

    static RunSpec Digits = new RunSpec { Name = "digits", Seed = 42, Data = new DataSpec { Source = DataSource.Digits, Batch = 32, Test = 0.2, Scale = Scaling.MinMax },
          Model = new ModelSpec { Loss = LossKind.HalfSquaredError, Layers = [Runs.Layer(32, Activation.Logistic), Runs.Layer(10, Activation.Logistic)] },
          Optimizer = new OptimizerSpec { LearningRate = 2 }, Training = new TrainingSpec { Epochs = 20 } };
}
