using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Simulation;

namespace BackpropCluster.Tests;

public class Probe
{
    [Theory]
    [InlineData(UpdateOrder.AfterBackward, 1)]
    [InlineData(UpdateOrder.DuringBackward, 5)]
    [InlineData(UpdateOrder.AfterBackward, 5)]
    public void Works(UpdateOrder update, int batch)
    {
        var spec = Runs.Uneven(batch, update);
        var data = Dataset.Prepare(Runs.SevenFeatures(), spec.Data, spec.Seed, 3);
        var reference = ReferenceTrainer.Train(spec, data);
        foreach (var g in new[] { Granularity.Neuron, new(3), Granularity.Layer })
        for (ulong seed = 0; seed < 20; seed++)
        {
            var carrier = new SeededCarrier(Runs.Plan(spec, data, g), SeededCarrier.Parts(_ => data), new Disturbance(0.2, 2, 2), seed);
            var result = carrier.Run();
            Assert.Equal(RunStatus.Completed, carrier.Coordinator.Status);
            Assert.Equal(reference.WeightsSha256, result!.WeightsSha256);
            Assert.Equal(reference.Steps, result.Steps);
            Assert.Equal(reference.Evaluations, result.Evaluations);
        }
    }

    [Fact]
    public void Digits()
    {
        var spec = new RunSpec { Name = "digits", Seed = 42, Data = new DataSpec { Source = DataSource.Digits, Batch = 32, Test = 0.2, Scale = Scaling.MinMax },
          Model = new ModelSpec { Loss = LossKind.HalfSquaredError, Layers = [Runs.Layer(32, Activation.Logistic), Runs.Layer(10, Activation.Logistic)] },
          Optimizer = new OptimizerSpec { LearningRate = 2 }, Training = new TrainingSpec { Epochs = 20 } };
        var data = Runs.BuiltIn(spec);
        var sw = System.Diagnostics.Stopwatch.StartNew();
        var reference = ReferenceTrainer.Train(spec, data);
        TestContext.Current.TestOutputHelper!.WriteLine($"{sw.ElapsedMilliseconds} ms ref " + string.Join(" ", reference.Evaluations.Select(e => e.Score.Accuracy)));
        sw.Restart();
        var carrier = new SeededCarrier(Runs.Plan(spec, data, Granularity.Layer), SeededCarrier.Parts(_ => data), Disturbance.None, 1);
        var r = carrier.Run()!;
        TestContext.Current.TestOutputHelper!.WriteLine($"{sw.ElapsedMilliseconds} ms sim");
        Assert.Equal(reference.WeightsSha256, r.WeightsSha256);
    }

    [Theory]
    [InlineData(UpdateOrder.AfterBackward)]
    [InlineData(UpdateOrder.DuringBackward)]
    public void Tutorial(UpdateOrder update)
    {
        var spec = Runs.Mazur(10000, update);
        var r = ReferenceTrainer.Train(spec, Runs.BuiltIn(spec));
        TestContext.Current.TestOutputHelper!.WriteLine($"{r.Steps[0].Loss:R} {r.Steps[1].Loss:R} {r.Steps[^1].Loss:R} {r.Evaluations[0].Score.Loss:R}");
    }
}
