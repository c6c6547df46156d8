using System.Text.Json.Serialization;

namespace BackpropCluster.Core.Learning;

/// <summary>Names of the optimizers, as run files have them.</summary>
public enum OptimizerKind
{
    Sgd,
    Adagrad,
    RmsProp,
    Adam,
    AdamW,
}

/// <summary>A rule that turns gradients into updates, with its hyperparameters, by PyTorch's names, definitions and
/// defaults. One of <see cref="Sgd"/>, <see cref="Adagrad"/>, <see cref="RmsProp"/> and <see cref="Adam"/>.</summary>
/// <remarks>Every parameter by itself, so any cut of a layer gives the same bits.</remarks>
[GenerateSerializer, Immutable, Alias("optimizer-spec")]
[JsonDerivedType(typeof(Sgd), "sgd"), JsonDerivedType(typeof(Adagrad), "adagrad")]
[JsonDerivedType(typeof(RmsProp), "rmsprop"), JsonDerivedType(typeof(Adam), "adam")]
public abstract record OptimizerSpec
{
    private protected OptimizerSpec() { }

    [Id(0)]
    public required double LearningRate { get; init; }

    [Id(1)]
    public double WeightDecay { get; init; }

    [Id(2)]
    public Schedule Schedule { get; init; } = Schedule.Constant;

    public abstract OptimizerKind Kind { get; }

    /// <summary>How many numbers of state the rule keeps for each parameter.</summary>
    public abstract int StateSize { get; }

    /// <summary>The rule of a step.</summary>
    /// <param name="step">t, from 1.</param>
    public abstract OptimizerStep At(int step);

    /// <summary>η of a step, from 1.</summary>
    public double RateAt(int step) => Schedule.RateAt(LearningRate, step);

    /// <summary>A kind with PyTorch's defaults.</summary>
    public static OptimizerSpec Defaults(OptimizerKind kind, double learningRate) =>
        kind switch
        {
            OptimizerKind.Sgd => new Sgd { LearningRate = learningRate },
            OptimizerKind.Adagrad => new Adagrad { LearningRate = learningRate },
            OptimizerKind.RmsProp => new RmsProp { LearningRate = learningRate },
            OptimizerKind.Adam => new Adam { LearningRate = learningRate },
            OptimizerKind.AdamW => new Adam
            {
                LearningRate = learningRate,
                IsDecoupled = true,
                WeightDecay = 0.01,
            },
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
        };
}

/// <summary>An optimizer at one step.</summary>
/// <remarks><c>g = ∂E/∂w + decay·w</c>, rounded once.</remarks>
public abstract class OptimizerStep(double decay)
{
    /// <summary>The parameter after the step.</summary>
    /// <param name="w">The parameter before.</param>
    /// <param name="gradient">∂E/∂w.</param>
    /// <param name="state"><see cref="OptimizerSpec.StateSize"/> numbers, 0 before the first step; moved one step
    /// on.</param>
    public abstract double Apply(double w, double gradient, Span<double> state);

    /// <summary>g.</summary>
    protected double Decayed(double w, double gradient) =>
        decay == 0 ? gradient : Math.FusedMultiplyAdd(decay, w, gradient);

    // By squaring: products alone, which every machine rounds alike; the C library's pow is its own affair.
    internal static double Power(double x, int n)
    {
        var power = 1.0;
        for (; n > 0; n >>= 1, x *= x)
            if ((n & 1) == 1)
                power *= x;
        return power;
    }
}
