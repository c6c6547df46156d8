using System.Collections.Immutable;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Simulation.Exploration;

/// <summary>A trainer that shares nothing with the machines.</summary>
/// <param name="spec">The run.</param>
/// <param name="data">Its rows.</param>
/// <param name="watch">Called with the step (1, 2, …) and the parameters before its update, and once more after the
/// last.</param>
public delegate TrainingResult Reference(
    RunSpec spec,
    Dataset data,
    Action<int, ImmutableArray<LayerParameters>>? watch
);

/// <summary>The runs that are explored: small, and each with something that the others lack.</summary>
/// <param name="reference">Says what each must come to.</param>
public sealed class Models(Reference reference)
{
    private static readonly ImmutableArray<(RunSpec Spec, Table Table)> menu = Menu();
    private readonly Golden?[] golden = new Golden?[menu.Length];

    public static int Count => menu.Length;

    /// <summary>2-4-1 on four rows, three steps: small enough for every single fault.</summary>
    public static int TwoFourOne => 0;

    public static RunSpec SpecOf(int model) => menu[model].Spec;

    /// <summary>What a model must come to; found out once.</summary>
    public Golden Of(int model) => golden[model] ??= Train(menu[model].Spec, menu[model].Table);

    private Golden Train(RunSpec spec, Table table)
    {
        var data = Dataset.Prepare(table, spec.Data, spec.Seed, spec.Model.Layers[^1].Units);
        var versions = ImmutableArray.CreateBuilder<string>();
        var result = reference(
            spec,
            data,
            (_, parameters) =>
                versions.Add(WeightsHash.Sha256(parameters.Select(layer => (layer.Weights, layer.Biases))))
        );
        return new Golden(result, versions.ToImmutable(), data);
    }

    private static ImmutableArray<(RunSpec Spec, Table Table)> Menu() =>
        [
            Run("2-4-1", [4, 1], features: 2, rows: 4, epochs: 3) is var (spec, table)
                ? (spec with { Training = spec.Training with { Evaluation = Evaluation.TrainingRowsAtTheEnd } }, table)
                : default,
            Run("1-1-1", [1, 1], features: 1, rows: 5, epochs: 4, batch: 2),
            Run(
                "momentum",
                [3, 2],
                features: 2,
                rows: 6,
                epochs: 3,
                batch: 3,
                microbatches: 2,
                optimizer: new Sgd { LearningRate = 0.1, Momentum = 0.9 }
            ),
            Run(
                "adam",
                [5, 4, 3],
                features: 3,
                rows: 8,
                epochs: 2,
                batch: 3,
                test: 0.25,
                optimizer: OptimizerSpec.Defaults(OptimizerKind.Adam, 0.01)
            ),
            Run("during", [7, 2], features: 2, rows: 4, epochs: 2, batch: 1, update: UpdateOrder.DuringBackward),
            Run("ring", [2, 2], features: 2, rows: 5, epochs: 6, batch: 3, shuffle: false, test: 0),
            Run(
                "rmsprop",
                [6, 5, 4, 3],
                features: 2,
                rows: 7,
                epochs: 2,
                batch: 3,
                microbatches: 3,
                test: 0.3,
                optimizer: OptimizerSpec.Defaults(OptimizerKind.RmsProp, 0.01)
            ),
            Run(
                "adagrad",
                [12, 5],
                features: 3,
                rows: 6,
                epochs: 2,
                batch: 2,
                optimizer: OptimizerSpec.Defaults(OptimizerKind.Adagrad, 0.05)
            ),
            Run("one layer", [3], features: 2, rows: 6, epochs: 6, batch: 2, test: 0.3),
            Run("stops early", [4, 3], features: 2, rows: 8, epochs: 4, batch: 2, test: 0.25) is var (early, rows)
                ? (early with { Training = early.Training with { Stop = new StopRule(StopMetric.TestLoss, 10) } }, rows)
                : default,
            Run(
                "adamw",
                [13, 11, 3],
                features: 3,
                rows: 6,
                epochs: 1,
                batch: 2,
                optimizer: OptimizerSpec.Defaults(OptimizerKind.AdamW, 0.01)
            ),
            Run("sixty", [30, 27, 3], features: 2, rows: 4, epochs: 1, batch: 2),
        ];

    private static (RunSpec Spec, Table Table) Run(
        string name,
        int[] units,
        int features,
        int rows,
        int epochs,
        int? batch = null,
        int microbatches = 1,
        double test = 0,
        bool shuffle = true,
        UpdateOrder update = UpdateOrder.AfterBackward,
        OptimizerSpec? optimizer = null
    )
    {
        var spec = new RunSpec
        {
            Name = name,
            Seed = 7,
            Data = new DataSpec
            {
                Source = DataSource.Iris,
                Batch = batch,
                Microbatches = microbatches,
                Shuffle = shuffle,
                Test = test,
            },
            Model = new ModelSpec
            {
                Layers =
                [
                    .. units.Select(
                        (u, l) =>
                            new LayerSpec
                            {
                                Units = u,
                                Activation = l == units.Length - 1 ? Activation.Logistic : Activation.Tanh,
                                Init = WeightInit.GlorotNormal,
                            }
                    ),
                ],
                Loss = LossKind.HalfSquaredError,
            },
            Optimizer = optimizer ?? new Sgd { LearningRate = 0.3 },
            Training = new TrainingSpec { Epochs = epochs, Update = update },
        };
        var random = new CounterRandom(99, RandomPurpose.Simulation, 2);
        double[] inputs = [.. Enumerable.Range(0, rows * features).Select(k => 2 * random.Unit((ulong)k) - 1)];
        return (
            spec,
            units[^1] == 1
                ? Table.OfTargets(
                    features,
                    inputs,
                    1,
                    [.. Enumerable.Range(0, rows).Select(r => random.Unit(1000 + (ulong)r))]
                )
                : Table.OfClasses(
                    features,
                    inputs,
                    [.. Enumerable.Range(0, rows).Select(r => r % units[^1])],
                    units[^1]
                )
        );
    }
}
