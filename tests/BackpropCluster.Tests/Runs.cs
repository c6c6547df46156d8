using System.Collections.Immutable;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests;

/// <summary>Runs that several tests train.</summary>
public static class Runs
{
    /// <summary>The tutorial: its row, weights, learning rate and frozen biases.</summary>
    public static RunSpec Mazur(int rounds, UpdateOrder update) =>
        new()
        {
            Name = "mazur",
            Seed = 1,
            Data = new DataSpec { Source = DataSource.Mazur, Shuffle = false },
            Model = new ModelSpec
            {
                Layers =
                [
                    .. Enumerable.Repeat(
                        new LayerSpec
                        {
                            Units = 2,
                            Activation = Activation.Logistic,
                            Init = WeightInit.Mazur,
                            TrainBias = false,
                        },
                        2
                    ),
                ],
                Loss = LossKind.HalfSquaredError,
            },
            Optimizer = new Sgd { LearningRate = 0.5 },
            Training = new TrainingSpec
            {
                Epochs = rounds,
                Update = update,
                Evaluation = Evaluation.TrainingRowsAtTheEnd,
            },
        };

    /// <summary>A model whose layers no shard size divides, on a few rows of made-up numbers.</summary>
    public static RunSpec Uneven(
        int batch,
        UpdateOrder update = UpdateOrder.AfterBackward,
        int microbatches = 1,
        int epochs = 1
    ) =>
        new()
        {
            Name = "uneven",
            Seed = 7,
            Data = new DataSpec
            {
                Source = DataSource.Iris,
                Batch = batch,
                Microbatches = microbatches,
                Test = 0.2,
                Scale = Scaling.MinMax,
            },
            Model = new ModelSpec
            {
                Layers = [Layer(13, Activation.Tanh), Layer(11, Activation.Relu), Layer(3, Activation.Logistic)],
                Loss = LossKind.HalfSquaredError,
            },
            Optimizer = new Sgd { LearningRate = 0.3 },
            Training = new TrainingSpec { Epochs = epochs, Update = update },
        };

    /// <summary>Twelve rows of seven features in three classes; addressed, so the same in every test.</summary>
    public static Table SevenFeatures(int rows = 12)
    {
        var random = new CounterRandom(99, RandomPurpose.Weights, 0);
        return Table.OfClasses(
            7,
            [.. Enumerable.Range(0, rows * 7).Select(k => 2 * random.Unit((ulong)k) - 1)],
            [.. Enumerable.Range(0, rows).Select(r => r % 3)],
            3
        );
    }

    public static LayerSpec Layer(int units, Activation activation, WeightInit init = WeightInit.GlorotNormal) =>
        new()
        {
            Units = units,
            Activation = activation,
            Init = init,
        };

    public static Dataset BuiltIn(RunSpec spec) =>
        Dataset.Prepare(BuiltInData.Read(spec.Data.Source), spec.Data, spec.Seed, spec.Model.Layers[^1].Units);

    public static RunPlan Plan(RunSpec spec, Dataset data, Granularity granularity) =>
        new()
        {
            Run = "test-" + spec.Name,
            Fingerprint = 42,
            Spec = spec,
            Granularity = granularity,
            Features = data.Features,
            TrainingRows = data.Training.Count,
            TestRows = data.Test.Count,
            HasClasses = data.HasClasses,
        };
}
