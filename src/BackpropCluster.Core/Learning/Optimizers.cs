namespace BackpropCluster.Core.Learning;

/// <summary>Gradient descent, with momentum if wanted.</summary>
/// <remarks><code>
/// b = μ·b + (1 − dampening)·g (first step: g)     w ← w − η·b          nesterov: w ← w − η·(g + μ·b)
/// </code></remarks>
[GenerateSerializer, Immutable, Alias("sgd")]
public sealed record Sgd : OptimizerSpec
{
    [Id(0)]
    public double Momentum { get; init; }

    [Id(1)]
    public double Dampening { get; init; }

    [Id(2)]
    public bool Nesterov { get; init; }

    public override OptimizerKind Kind => OptimizerKind.Sgd;

    public override int StateSize => Momentum != 0 ? 1 : 0;

    public override OptimizerStep At(int step) => new Rule(this, step == 1, RateAt(step));

    private sealed class Rule(Sgd spec, bool first, double rate) : OptimizerStep(spec.WeightDecay)
    {
        public override double Apply(double w, double gradient, Span<double> state)
        {
            var g = Decayed(w, gradient);
            if (spec.Momentum == 0)
                return Math.FusedMultiplyAdd(-rate, g, w);
            ref var b = ref state[0];
            b = first ? g : Math.FusedMultiplyAdd(spec.Momentum, b, (1 - spec.Dampening) * g);
            return Math.FusedMultiplyAdd(-rate, spec.Nesterov ? Math.FusedMultiplyAdd(spec.Momentum, b, g) : b, w);
        }
    }
}

/// <summary>Steps that shrink with all that a parameter has moved.</summary>
/// <remarks><code>
/// s = s + g²     w ← w − η/(1 + (t−1)·lr_decay) · g/(√s + ε)
/// </code></remarks>
[GenerateSerializer, Immutable, Alias("adagrad")]
public sealed record Adagrad : OptimizerSpec
{
    [Id(0)]
    public double LrDecay { get; init; }

    [Id(1)]
    public double Eps { get; init; } = 1e-10;

    [Id(2)]
    public double InitialAccumulator { get; init; }

    public override OptimizerKind Kind => OptimizerKind.Adagrad;

    public override int StateSize => 1;

    public override OptimizerStep At(int step) => new Rule(this, step == 1, RateAt(step) / (1 + (step - 1) * LrDecay));

    private sealed class Rule(Adagrad spec, bool first, double rate) : OptimizerStep(spec.WeightDecay)
    {
        public override double Apply(double w, double gradient, Span<double> state)
        {
            var g = Decayed(w, gradient);
            ref var s = ref state[0];
            s = Math.FusedMultiplyAdd(g, g, first ? spec.InitialAccumulator : s);
            return Math.FusedMultiplyAdd(-rate, g / (Math.Sqrt(s) + spec.Eps), w);
        }
    }
}

/// <summary>Steps by a running mean of the gradients' squares.</summary>
/// <remarks><code>
/// s = α·s + (1−α)·g²; centered: a = α·a + (1−α)·g, s − a² for s
/// w ← w − η·g/(√s + ε), with momentum b = μ·b + g/(√s + ε)
/// </code></remarks>
[GenerateSerializer, Immutable, Alias("rmsprop")]
public sealed record RmsProp : OptimizerSpec
{
    [Id(0)]
    public double Alpha { get; init; } = 0.99;

    [Id(1)]
    public double Eps { get; init; } = 1e-8;

    [Id(2)]
    public double Momentum { get; init; }

    [Id(3)]
    public bool Centered { get; init; }

    public override OptimizerKind Kind => OptimizerKind.RmsProp;

    public override int StateSize => 1 + (Momentum != 0 ? 1 : 0) + (Centered ? 1 : 0);

    public override OptimizerStep At(int step) => new Rule(this, RateAt(step));

    private sealed class Rule(RmsProp spec, double rate) : OptimizerStep(spec.WeightDecay)
    {
        public override double Apply(double w, double gradient, Span<double> state)
        {
            var g = Decayed(w, gradient);
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
    }
}

/// <summary>Running means of gradients and of their squares; adamw where the decay is not among the
/// gradients.</summary>
/// <remarks><code>
/// m = β₁·m + (1−β₁)·g; v = β₂·v + (1−β₂)·g²       w ← w − η/(1−β₁ᵗ) · m/(√v/√(1−β₂ᵗ) + ε)
/// adamw: w shrinks by η·decay first
/// </code></remarks>
[GenerateSerializer, Immutable, Alias("adam")]
public sealed record Adam : OptimizerSpec
{
    [Id(0)]
    public double Beta1 { get; init; } = 0.9;

    [Id(1)]
    public double Beta2 { get; init; } = 0.999;

    [Id(2)]
    public double Eps { get; init; } = 1e-8;

    /// <summary>adamw.</summary>
    [Id(3)]
    public bool IsDecoupled { get; init; }

    public override OptimizerKind Kind => IsDecoupled ? OptimizerKind.AdamW : OptimizerKind.Adam;

    public override int StateSize => 2;

    public override OptimizerStep At(int step) => new Rule(this, step, RateAt(step));

    private sealed class Rule(Adam spec, int step, double rate) : OptimizerStep(spec.IsDecoupled ? 0 : spec.WeightDecay)
    {
        private readonly double stepSize = rate / (1 - Power(spec.Beta1, step));
        private readonly double rootOfCorrection2 = Math.Sqrt(1 - Power(spec.Beta2, step));
        private readonly double shrinking = spec.IsDecoupled ? 1 - rate * spec.WeightDecay : 1;

        public override double Apply(double w, double gradient, Span<double> state)
        {
            if (spec.IsDecoupled)
                w *= shrinking;
            var g = Decayed(w, gradient);
            ref var m = ref state[0];
            ref var v = ref state[1];
            m = Math.FusedMultiplyAdd(spec.Beta1, m, (1 - spec.Beta1) * g);
            v = Math.FusedMultiplyAdd(spec.Beta2, v, (1 - spec.Beta2) * g * g);
            return Math.FusedMultiplyAdd(-stepSize, m / (Math.Sqrt(v) / rootOfCorrection2 + spec.Eps), w);
        }
    }
}
