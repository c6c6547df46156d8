using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using CsCheck;

namespace BackpropCluster.Tests.RunFiles;

/// <summary>Good run files, and the examples that ship.</summary>
public sealed class RunFileTests
{
    private const string Shortest = """
        version: 1
        data: { source: xor }
        model: { layers: [{ units: 1, activation: logistic }], loss: half_squared_error }
        optimizer: { kind: sgd, learning_rate: 1 }
        training: { epochs: 1 }
        """;

    public static TheoryData<string> Examples() =>
        [.. Directory.GetFiles(ExamplesFolder(), "*.yaml").Select(p => Path.GetFileName(p)!)];

    [Fact]
    public void FiveExamplesShip() =>
        Assert.Equal(
            ["digits.yaml", "iris.yaml", "mazur.yaml", "spiral.yaml", "xor.yaml"],
            Examples().Select(row => (string)row.Data).Order()
        );

    [Theory, MemberData(nameof(Examples))]
    public void AnExampleReadsBackEqual(string example) => AssertReadsBackEqual(Read(example));

    /// <summary>Ticks, odd shares and rates of every size: what is written keeps each bit.</summary>
    [Fact]
    public void AnyRunReadsBackEqual() =>
        (
            from seed in Gen.ULong
            from deadline in Gen.Long[1, TimeSpan.TicksPerMinute * 10]
            from test in Gen.Double[0, 0.99]
            from rate in Gen.Double[double.Epsilon, double.MaxValue]
            from epochs in Gen.Int[1, 1_000_000]
            from units in Gen.Int[1, 50]
            from init in Gen.OneOf(
                Gen.Const("he_normal"),
                Gen.Const("he_uniform"),
                Gen.Const("glorot_normal"),
                Gen.Const("glorot_uniform")
            )
            from scale in Gen.OneOf(Gen.Const("none"), Gen.Const("minmax"), Gen.Const("standard"))
            from flag in Gen.OneOf(Gen.Const("true"), Gen.Const("false"))
            select (string[])
                [
                    $"seed={seed}",
                    FormattableString.Invariant($"cluster.step_deadline={deadline / 10m}us"),
                    FormattableString.Invariant($"optimizer.learning_rate={rate:R}"),
                    FormattableString.Invariant(
                        $"data={{ source: iris, test: {test:R}, scale: {scale}, shuffle: {flag} }}"
                    ),
                    $"training.epochs={epochs}",
                    $"model.layers=[{{ units: {units}, activation: tanh, init: {init}, train_bias: {flag} }}, {{ "
                        + $"units: 3, activation: relu }}]",
                ]
        ).Sample(sets => AssertReadsBackEqual(RunFile.Read("r.yaml", Shortest, sets)), iter: 500);

    [Theory]
    [InlineData("kind: adam, learning_rate: 0.001, betas: [0.8, 0.99], eps: 1e-6, weight_decay: 0.1")]
    [InlineData("kind: adamw, learning_rate: 0.001")]
    [InlineData("kind: rmsprop, learning_rate: 0.01, alpha: 0.9, momentum: 0.5, centered: true")]
    [InlineData("kind: adagrad, learning_rate: 0.01, lr_decay: 0.1, initial_accumulator_value: 0.5")]
    [InlineData("kind: sgd, learning_rate: 0.1, momentum: 0.9, nesterov: true, weight_decay: 1e-4")]
    public void EveryOptimizerReadsBackEqual(string keys)
    {
        var run = RunFile.Read("r.yaml", Shortest, [$"optimizer={{ {keys} }}"]);
        Assert.Equal(run.Spec.Optimizer, RunFile.Read("r.yaml", run.ToYaml(), []).Spec.Optimizer);
    }

    /// <summary>torch.optim's signatures, PyTorch 1.13.</summary>
    [Fact]
    public void DefaultsOfOptimizersArePyTorchs()
    {
        OptimizerSpec Of(string kind) =>
            RunFile.Read("r.yaml", Shortest, [$"optimizer={{ kind: {kind}, learning_rate: 1 }}"]).Spec.Optimizer;
        var adam = new Adam
        {
            LearningRate = 1,
            Beta1 = 0.9,
            Beta2 = 0.999,
            Eps = 1e-8,
            WeightDecay = 0,
        };
        Assert.Equal(adam, Of("adam"));
        Assert.Equal(adam with { IsDecoupled = true, WeightDecay = 0.01 }, Of("adamw"));
        Assert.Equal(
            new RmsProp
            {
                LearningRate = 1,
                Alpha = 0.99,
                Eps = 1e-8,
                Momentum = 0,
                Centered = false,
            },
            Of("rmsprop")
        );
        Assert.Equal(
            new Adagrad
            {
                LearningRate = 1,
                Eps = 1e-10,
                LrDecay = 0,
                InitialAccumulator = 0,
            },
            Of("adagrad")
        );
        Assert.Equal(new Sgd { LearningRate = 1 }, Of("sgd"));
    }

    [Fact]
    public void WhatIsLeftOutHasItsDefault()
    {
        var run = RunFile.Read("some/Where Else.yaml", Shortest, []);
        Assert.Equal(("where-else", 1UL), (run.Spec.Name, run.Spec.Seed));
        Assert.Equal(
            (null, 1, true, 0.0, Scaling.None),
            (
                run.Spec.Data.Batch,
                run.Spec.Data.Microbatches,
                run.Spec.Data.Shuffle,
                run.Spec.Data.Test,
                run.Spec.Data.Scale
            )
        );
        Assert.Equal(
            (1, Granularity.Layer, TimeSpan.FromSeconds(10)),
            (run.Cluster.Silos, run.Cluster.Granularity, run.Cluster.StepDeadline)
        );
    }

    [Fact]
    public void ASetComesAfterTheFileAndTheLastSetCounts()
    {
        var run = RunFile.Read(
            "r.yaml",
            Shortest,
            ["seed=2", "training.epochs=7", "cluster.silos=3", "model.layers[0].activation=tanh", "seed=3"]
        );
        Assert.Equal(
            (3UL, 7, 3, Activation.Tanh),
            (run.Spec.Seed, run.Spec.Training.Epochs, run.Cluster.Silos, run.Spec.Model.Layers[0].Activation)
        );
    }

    /// <summary>0.57 × 10,000,000 in floating point is one tick less.</summary>
    [Fact]
    public void AQuantityIsReadToTheTick() =>
        Assert.Equal(
            5_700_000,
            RunFile.Read("r.yaml", Shortest, ["cluster.step_deadline=0.57s"]).Cluster.StepDeadline.Ticks
        );

    [
        Theory,
        InlineData("500ms", 500),
        InlineData("2m", 120_000),
        InlineData("0.5s", 500),
        InlineData("1500us", 1.5),
        InlineData("0.5us", 0.0005)
    ]
    public void AQuantityCarriesItsUnit(string text, double milliseconds) =>
        Assert.Equal(
            TimeSpan.FromMilliseconds(milliseconds),
            RunFile.Read("r.yaml", Shortest, [$"cluster.step_deadline={text}"]).Cluster.StepDeadline
        );

    [Theory]
    [InlineData("xor.yaml", 1.0)]
    [InlineData("iris.yaml", 0.93)]
    [InlineData("digits.yaml", 0.95)]
    [InlineData("spiral.yaml", 0.9)]
    public void AnExampleLearnsWhatItPromises(string example, double accuracy)
    {
        var spec = Read(example).Spec;
        var result = ReferenceTrainer.Train(spec, Runs.BuiltIn(spec));
        var score = result.Evaluations.Length > 0 ? result.Evaluations[^1].Score : result.Steps[^1];
        Assert.True(score.Accuracy >= accuracy, $"{example} ends at {score.Accuracy}");
    }

    internal static void AssertReadsBackEqual(RunFile run)
    {
        var back = RunFile.Read("run.yaml", run.ToYaml(), []);
        Assert.Equal(run.Cluster, back.Cluster);
        Assert.Equal(run.Spec.Model.Layers, back.Spec.Model.Layers);
        Assert.Equal(run.Spec with { Model = back.Spec.Model }, back.Spec);
    }

    private static RunFile Read(string example)
    {
        var path = Path.Combine(ExamplesFolder(), example);
        return RunFile.Read(path, File.ReadAllText(path), []);
    }

    private static string ExamplesFolder()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "BackpropCluster.sln")))
            directory =
                directory.Parent
                ?? throw new InvalidOperationException("the tests do not run below the repository's root");
        return Path.Combine(directory.FullName, "examples");
    }
}
