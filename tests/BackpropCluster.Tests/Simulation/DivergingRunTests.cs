using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Simulation;

namespace BackpropCluster.Tests.Simulation;

public class DivergingRunTests
{
    // Step 1 leaves weights of about 1e200; in step 2 layer 1 still has nets of that size, and layer 2 multiplies two
    // such numbers.
    [Theory]
    [InlineData(1)]
    [InlineData(13)]
    public void ALearningRateFarTooLargeEndsTheRunAndNamesLayerAndStep(int unitsPerShard)
    {
        var failure = Fail(Spec(1e200, Activation.Relu, Activation.Logistic), unitsPerShard);
        Assert.Equal(FailureKind.NotFinite, failure.Kind);
        Assert.Equal("a net of layer 2 is not a finite number at step 2", failure.Reason);
    }

    // Nets of 1e160 are numbers, their squares are not. The Loss finds it, unless a shard that got its slopes speaks
    // first.
    [Fact]
    public void ALossThatOverflowsEndsTheRunAndNamesTheStep()
    {
        var failure = Fail(Spec(1e160, Activation.Tanh, Activation.Identity), unitsPerShard: 13);
        Assert.Equal(FailureKind.NotFinite, failure.Kind);
        Assert.EndsWith("at step 2", failure.Reason, StringComparison.Ordinal);
    }

    // ∂W = y·x ≈ 1e20 times a learning rate of 1e300. No step comes after it whose nets would show it; the weights are
    // not finite all the same.
    [Fact]
    public void AnOverflowInTheLastUpdateIsNoSuccess()
    {
        var spec = Spec(1e300, Activation.Identity, Activation.Identity) with
        {
            Model = new ModelSpec { Layers = [Runs.Layer(1, Activation.Identity)], Loss = LossKind.HalfSquaredError },
            Training = new TrainingSpec { Epochs = 1 },
        };
        var data = Dataset.Prepare(Table.OfTargets(1, [1e10], 1, [0]), spec.Data, spec.Seed, 1);
        var carrier = new DeterministicSimulator(
            Runs.Plan(spec, data, Granularity.Layer),
            data,
            DeterministicSimulator.Product,
            Disturbance.None,
            1
        );
        var result = carrier.Run();
        Assert.True(
            carrier.Coordinator.Status == RunStatus.Failed,
            $"the run completed with the weight {result?.Parameters[0].Weights[0]}"
        );
        Assert.Equal(FailureKind.NotFinite, carrier.Coordinator.Failure!.Kind);
    }

    private static Failure Fail(RunSpec spec, int unitsPerShard)
    {
        var data = Data(spec);
        var carrier = new DeterministicSimulator(
            Runs.Plan(spec, data, new(unitsPerShard)),
            data,
            DeterministicSimulator.Product,
            Disturbance.None,
            1
        );
        Assert.Null(carrier.Run());
        Assert.Equal(RunStatus.Failed, carrier.Coordinator.Status);
        return carrier.Coordinator.Failure!;
    }

    private static RunSpec Spec(double learningRate, Activation hidden, Activation last) =>
        new()
        {
            Name = "diverging",
            Seed = 7,
            Data = new DataSpec { Source = DataSource.Iris, Shuffle = false },
            Model = new ModelSpec
            {
                Layers = [Runs.Layer(13, hidden), Runs.Layer(11, hidden), Runs.Layer(3, last)],
                Loss = LossKind.HalfSquaredError,
            },
            Optimizer = new Sgd { LearningRate = learningRate },
            Training = new TrainingSpec { Epochs = 10 },
        };

    private static Dataset Data(RunSpec spec) => Dataset.Prepare(Runs.SevenFeatures(), spec.Data, spec.Seed, 3);
}
