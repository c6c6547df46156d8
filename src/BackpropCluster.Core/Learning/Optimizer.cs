namespace BackpropCluster.Core.Learning;

/// <summary>Which rule turns gradients into updates.</summary>
public enum OptimizerKind
{
    Sgd,
    Adagrad,
    RmsProp,
    Adam,
    AdamW,
}

/// <summary>An optimizer with its hyperparameters, by PyTorch's names and definitions. What a kind does not use is
/// 0.</summary>
[GenerateSerializer, Immutable, Alias("optimizer-spec")]
public sealed record OptimizerSpec
{
    [Id(0)]
    public OptimizerKind Kind { get; init; }

    [Id(1)]
    public required double LearningRate { get; init; }

    [Id(2)]
    public double Momentum { get; init; }

    [Id(3)]
    public double Dampening { get; init; }

    [Id(4)]
    public bool Nesterov { get; init; }

    [Id(5)]
    public double WeightDecay { get; init; }

    [Id(6)]
    public double Beta1 { get; init; }

    [Id(7)]
    public double Beta2 { get; init; }

    [Id(8)]
    public double Eps { get; init; }

    [Id(9)]
    public double Alpha { get; init; }

    [Id(10)]
    public bool Centered { get; init; }

    [Id(11)]
    public double LrDecay { get; init; }

    [Id(12)]
    public double InitialAccumulator { get; init; }

    [Id(13)]
    public Schedule Schedule { get; init; } = Schedule.Constant;

    /// <summary>η of a step, from 1.</summary>
    public double RateAt(int step) => Schedule.RateAt(LearningRate, step);

    /// <summary>A kind with PyTorch's defaults.</summary>
    public static OptimizerSpec Defaults(OptimizerKind kind, double learningRate)
    {
        var spec = new OptimizerSpec { Kind = kind, LearningRate = learningRate };
        return kind switch
        {
            OptimizerKind.Sgd => spec,
            OptimizerKind.Adagrad => spec with { Eps = 1e-10 },
            OptimizerKind.RmsProp => spec with { Alpha = 0.99, Eps = 1e-8 },
            OptimizerKind.Adam => spec with { Beta1 = 0.9, Beta2 = 0.999, Eps = 1e-8 },
            OptimizerKind.AdamW => spec with { Beta1 = 0.9, Beta2 = 0.999, Eps = 1e-8, WeightDecay = 0.01 },
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
        };
    }

    /// <summary>How many numbers of state the rule keeps for each parameter.</summary>
    public int StateSize =>
        Kind switch
        {
            OptimizerKind.Sgd => Momentum != 0 ? 1 : 0,
            OptimizerKind.Adagrad => 1,
            OptimizerKind.RmsProp => 1 + (Momentum != 0 ? 1 : 0) + (Centered ? 1 : 0),
            OptimizerKind.Adam or OptimizerKind.AdamW => 2,
            _ => throw new InvalidOperationException($"there is no optimizer {Kind}"),
        };
}

/// <summary>One rule a kind, in order of complexity. Every parameter by itself, so any cut of a layer gives the same
/// bits.</summary>
/// <remarks><code>
/// η the step's learning rate (<see cref="Schedule"/>), g = ∂E/∂w + decay·w (adamw: w shrinks by η·decay instead), t =
/// 1, 2, … the step sgd        b = μ·b + (1 − dampening)·g (first step: g)     w ← w − η·b            nesterov: w ← w −
/// η·(g + μ·b) adagrad    s = s + g²                                      w ← w − η/(1 + (t−1)·lr_decay) · g/(√s + ε)
/// rmsprop    s = α·s + (1−α)·g²; centered: a = α·a + (1−α)·g, s − a² for s     w ← w − η·g/(√s + ε), with momentum b =
/// μ·b + g/(√s + ε) adam(w)    m = β₁·m + (1−β₁)·g; v = β₂·v + (1−β₂)·g²       w ← w − η/(1−β₁ᵗ) · m/(√v/√(1−β₂ᵗ) + ε)
/// </code></remarks>
public sealed class OptimizerStep
{
    private readonly OptimizerSpec spec;
    private readonly bool first;
    private readonly double rate;
    private readonly double stepSize;
    private readonly double rootOfCorrection2;

    /// <param name="spec">The optimizer.</param>
    /// <param name="step">t, from 1.</param>
    public OptimizerStep(OptimizerSpec spec, int step)
    {
        (this.spec, first, rate) = (spec, step == 1, spec.RateAt(step));
        stepSize =
            spec.Kind == OptimizerKind.Adagrad
                ? rate / (1 + (step - 1) * spec.LrDecay)
                : rate / (1 - Power(spec.Beta1, step));
        rootOfCorrection2 = Math.Sqrt(1 - Power(spec.Beta2, step));
    }

    /// <summary>The parameter after the step.</summary>
    /// <param name="w">The parameter before.</param>
    /// <param name="gradient">∂E/∂w.</param>
    /// <param name="state"><see cref="OptimizerSpec.StateSize"/> numbers, 0 before the first step; moved one step
    /// on.</param>
    public double Apply(double w, double gradient, Span<double> state)
    {
        if (spec.Kind == OptimizerKind.AdamW)
            w *= 1 - rate * spec.WeightDecay;
        var g =
            spec.Kind == OptimizerKind.AdamW || spec.WeightDecay == 0
                ? gradient
                : Math.FusedMultiplyAdd(spec.WeightDecay, w, gradient);
        return spec.Kind switch
        {
            OptimizerKind.Sgd => Sgd(w, g, state),
            OptimizerKind.Adagrad => Adagrad(w, g, ref state[0]),
            OptimizerKind.RmsProp => RmsProp(w, g, state),
            OptimizerKind.Adam or OptimizerKind.AdamW => Adam(w, g, ref state[0], ref state[1]),
            _ => throw new InvalidOperationException($"there is no optimizer {spec.Kind}"),
        };
    }

    private double Sgd(double w, double g, Span<double> state)
    {
        if (spec.Momentum == 0)
            return Math.FusedMultiplyAdd(-rate, g, w);
        ref var b = ref state[0];
        b = first ? g : Math.FusedMultiplyAdd(spec.Momentum, b, (1 - spec.Dampening) * g);
        return Math.FusedMultiplyAdd(-rate, spec.Nesterov ? Math.FusedMultiplyAdd(spec.Momentum, b, g) : b, w);
    }

    private double Adagrad(double w, double g, ref double s)
    {
        s = Math.FusedMultiplyAdd(g, g, first ? spec.InitialAccumulator : s);
        return Math.FusedMultiplyAdd(-stepSize, g / (Math.Sqrt(s) + spec.Eps), w);
    }

    private double RmsProp(double w, double g, Span<double> state)
    {
        ref var s = ref state[0];
        s = Math.FusedMultiplyAdd(spec.Alpha, s, (1 - spec.Alpha) * g * g);
        var average = s;
        if (spec.Centered)
        {
            ref var a = ref state[^1];
            a = Math.FusedMultiplyAdd(spec.Alpha, a, (1 - spec.Alpha) * g);
            average = Math.FusedMultiplyAdd(-a, a, s);
        }

        var scaled = g / (Math.Sqrt(average) + spec.Eps);
        if (spec.Momentum == 0)
            return Math.FusedMultiplyAdd(-rate, scaled, w);
        ref var b = ref state[1];
        b = Math.FusedMultiplyAdd(spec.Momentum, b, scaled);
        return Math.FusedMultiplyAdd(-rate, b, w);
    }

    private double Adam(double w, double g, ref double m, ref double v)
    {
        m = Math.FusedMultiplyAdd(spec.Beta1, m, (1 - spec.Beta1) * g);
        v = Math.FusedMultiplyAdd(spec.Beta2, v, (1 - spec.Beta2) * g * g);
        return Math.FusedMultiplyAdd(-stepSize, m / (Math.Sqrt(v) / rootOfCorrection2 + spec.Eps), w);
    }

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
