namespace BackpropCluster.Core.Learning;

/// <summary>How a layer's weights begin. Biases begin at 0, but for <see cref="Mazur"/>.</summary>
public enum WeightInit
{
    /// <summary>Normal, variance 2/inputs (K. He et al., 2015).</summary>
    HeNormal,

    /// <summary>Uniform in ±√(6/inputs).</summary>
    HeUniform,

    /// <summary>Normal, variance 2/(inputs + units) (X. Glorot, Y. Bengio, 2010).</summary>
    GlorotNormal,

    /// <summary>Uniform in ±√(6/(inputs + units)).</summary>
    GlorotUniform,

    /// <summary>The tutorial's own eight weights and two biases; for layers of two inputs and two units.</summary>
    Mazur,
}

/// <summary>Initial weights by address: both ends of a weight, and every cut of a layer, make the same number by
/// themselves.</summary>
public static class InitialWeights
{
    /// <summary>Weight from input <paramref name="i"/> to unit <paramref name="o"/> of layer <paramref name="layer"/>
    /// (1, 2, …).</summary>
    public static double Weight(this WeightInit init, ulong seed, int layer, int units, int inputs, int o, int i)
    {
        if (init == WeightInit.Mazur)
            return MazurWeights[((layer - 1) * 2 + o) * 2 + i];

        var random = new CounterRandom(seed, RandomPurpose.Weights, (uint)layer);
        var k = (ulong)o * (ulong)inputs + (ulong)i;
        return init switch
        {
            WeightInit.HeNormal => Math.Sqrt(2.0 / inputs) * random.Normal(k),
            WeightInit.HeUniform => Math.Sqrt(6.0 / inputs) * (2 * random.Unit(k) - 1),
            WeightInit.GlorotNormal => Math.Sqrt(2.0 / (inputs + units)) * random.Normal(k),
            WeightInit.GlorotUniform => Math.Sqrt(6.0 / (inputs + units)) * (2 * random.Unit(k) - 1),
            _ => throw new ArgumentOutOfRangeException(nameof(init), init, null),
        };
    }

    /// <summary>The bias of each unit of a layer.</summary>
    public static double Bias(this WeightInit init, int layer) =>
        init != WeightInit.Mazur ? 0
        : layer == 1 ? 0.35
        : 0.60;

    // w1 … w8 of M. Mazur, "A Step by Step Backpropagation Example", 2015: two rows for h1 and h2, two for o1 and o2.
    private static ReadOnlySpan<double> MazurWeights => [0.15, 0.20, 0.25, 0.30, 0.40, 0.45, 0.50, 0.55];
}
