namespace BackpropCluster.Core.Learning;

/// <summary>The arithmetic of some consecutive units of one dense layer: their weights, and the weights that lead away from them.</summary>
/// <remarks>All arrays of activations and deltas are unit-major: all rows of the first unit, then all rows of the second, … Then
/// the arrays of several slices, laid end to end, are the array of the whole layer.</remarks>
public sealed class DenseSlice
{
    private readonly LayerSpec layer;
    private readonly double learningRate;
    private readonly int first;

    /// <summary>Makes the slice with its initial weights.</summary>
    /// <param name="spec">The run.</param>
    /// <param name="features">Input columns of the data.</param>
    /// <param name="layer">1, 2, …</param>
    /// <param name="first">The slice's first unit in its layer, from 0.</param>
    /// <param name="units">How many units it holds.</param>
    public DenseSlice(RunSpec spec, int features, int layer, int first, int units)
    {
        (this.layer, this.first, Units) = (spec.Model.Layers[layer - 1], first, units);
        learningRate = spec.Optimizer.LearningRate;
        Inputs = spec.Model.InputsOf(layer, features);
        Weights = new double[units * Inputs];
        for (var o = 0; o < units; o++)
            for (var i = 0; i < Inputs; i++)
                Weights[o * Inputs + i] = this.layer.Init.Weight(spec.Seed, layer, this.layer.Units, Inputs, first + o, i);
        Biases = new double[units];
        Array.Fill(Biases, this.layer.Init.Bias(layer));

        if (layer == spec.Model.Layers.Length) return;
        var above = spec.Model.Layers[layer];
        UnitsAbove = above.Units;
        Outgoing = new double[UnitsAbove * units];
        for (var o = 0; o < UnitsAbove; o++)
            for (var h = 0; h < units; h++)
                Outgoing[o * units + h] = above.Init.Weight(spec.Seed, layer + 1, above.Units, this.layer.Units, o, first + h);
    }

    public int Units { get; }
    public int Inputs { get; }

    /// <summary>Units of the layer above; 0 for the last layer.</summary>
    public int UnitsAbove { get; }

    /// <summary>W: units × inputs, row-major.</summary>
    public double[] Weights { get; }

    public double[] Biases { get; }

    /// <summary>This slice's columns of the next layer's W: units above × units, row-major. The other end of weights that the
    /// slices above own; both ends compute the same updates, so the two never differ. Empty for the last layer.</summary>
    public double[] Outgoing { get; } = [];

    public Activation Activation => layer.Activation;

    // z[o,r] = b[o] + Σᵢ W[o,i]·x[i,r]        y = φ(z)
    // S[h,r] = Σₒ V[o,h]·δ[o,r]               δ[h,r] = S[h,r]·φ′(z[h,r])          V: the outgoing weights, o: units of the layer above
    // ∂W[o,i] = Σᵣ δ[o,r]·x[i,r]              ∂b[o] = Σᵣ δ[o,r]                   ∂V[o,h] = Σᵣ δ[o,r]·y[h,r]

    /// <summary>z of <paramref name="rows"/> rows: units × rows.</summary>
    /// <param name="x">Inputs × rows.</param>
    /// <param name="rows">How many rows.</param>
    public double[] Nets(ReadOnlySpan<double> x, int rows)
    {
        var z = new double[Units * rows];
        Kernels.Product(Weights, Inputs, 1, x, Biases, z, Units, Inputs, rows);
        return z;
    }

    /// <summary>y = φ(z), in place.</summary>
    public void Activate(double[] nets) => layer.Activation.Apply(nets, nets);

    /// <summary>∂E/∂y of this slice's units: units × rows. For the last layer that is its share of what the loss sends.</summary>
    /// <param name="outgoing">The outgoing weights to use: <see cref="Outgoing"/>, or those after the step's update.</param>
    /// <param name="above">Deltas of the layer above, units above × rows; for the last layer ∂E/∂y of all outputs.</param>
    /// <param name="rows">How many rows.</param>
    public double[] OutputSlopes(ReadOnlySpan<double> outgoing, ReadOnlySpan<double> above, int rows)
    {
        if (UnitsAbove == 0) return above.Slice(first * rows, Units * rows).ToArray();
        var s = new double[Units * rows];
        Kernels.Product(outgoing, 1, Units, above, [], s, Units, UnitsAbove, rows);
        return s;
    }

    /// <summary>The gradients of one microbatch.</summary>
    /// <param name="x">Inputs × rows.</param>
    /// <param name="delta">δ of this slice, units × rows.</param>
    /// <param name="rows">How many rows.</param>
    public Gradients GradientsOf(ReadOnlySpan<double> x, ReadOnlySpan<double> delta, int rows)
    {
        var weights = ProductOverRows(delta, Units, x, Inputs, rows);
        var biases = new double[Units];
        for (var o = 0; o < Units; o++)
            foreach (var d in delta.Slice(o * rows, rows))
                biases[o] += d;
        return new Gradients(weights, biases);
    }

    /// <summary>∂V, the gradients of the outgoing weights: units above × units; empty for the last layer.</summary>
    public double[] OutgoingGradientsOf(ReadOnlySpan<double> y, ReadOnlySpan<double> above, int rows) =>
        UnitsAbove == 0 ? [] : ProductOverRows(above, UnitsAbove, y, Units, rows);

    /// <summary>The outgoing weights as they will be after an update by <paramref name="gradients"/>.</summary>
    public double[] UpdatedOutgoing(double[] gradients)
    {
        var updated = (double[])Outgoing.Clone();
        Descend(updated, gradients);
        return updated;
    }

    /// <summary>Whether every parameter will still be a finite number after an update by these gradients.</summary>
    public bool StaysFinite(Gradients gradients, double[] outgoingGradients) =>
        StaysFinite(Weights, gradients.Weights) && (!layer.TrainBias || StaysFinite(Biases, gradients.Biases)) && StaysFinite(Outgoing, outgoingGradients);

    /// <summary>One update of everything this slice holds. Of two ends of a weight both get the same gradient, so both stay equal.</summary>
    public void Update(Gradients gradients, double[] outgoingGradients)
    {
        Descend(Weights, gradients.Weights);
        if (layer.TrainBias) Descend(Biases, gradients.Biases);
        Descend(Outgoing, outgoingGradients);
    }

    // w ← w − η·∂w
    private void Descend(Span<double> w, ReadOnlySpan<double> gradient)
    {
        for (var i = 0; i < w.Length; i++)
            w[i] = Math.FusedMultiplyAdd(-learningRate, gradient[i], w[i]);
    }

    private bool StaysFinite(ReadOnlySpan<double> w, ReadOnlySpan<double> gradient)
    {
        for (var i = 0; i < w.Length; i++)
            if (!double.IsFinite(Math.FusedMultiplyAdd(-learningRate, gradient[i], w[i])))
                return false;
        return true;
    }

    // G[m,n] = Σᵣ left[m,r]·right[n,r]: lanes must run along n, so right is turned first.
    private static double[] ProductOverRows(ReadOnlySpan<double> left, int m, ReadOnlySpan<double> right, int n, int rows)
    {
        using var turned = new Scratch(stackalloc double[512], rows * n);
        Kernels.Transpose(right, turned.Span, n, rows);
        var gradients = new double[m * n];
        Kernels.Product(left, rows, 1, turned.Span, [], gradients, m, rows, n);
        return gradients;
    }
}

/// <summary>∂E/∂W (units × inputs) and ∂E/∂b of one slice.</summary>
public sealed record Gradients(double[] Weights, double[] Biases);

/// <summary>Adds gradients of microbatches in a binary tree by microbatch index.</summary>
/// <remarks>((0 + 1) + (2 + 3)) + …: a chain from 0 upward would force replicas that share the microbatches to add one after the
/// other; halves of a tree can be summed apart and still end in the same bits.</remarks>
public static class GradientTree
{
    /// <summary>The sum of all parts. The parts themselves are used as working memory.</summary>
    public static double[] Sum(ReadOnlySpan<double[]> parts)
    {
        if (parts.Length == 1) return parts[0];
        var middle = (parts.Length + 1) / 2;
        var left = Sum(parts[..middle]);
        var right = Sum(parts[middle..]);
        for (var i = 0; i < left.Length; i++) left[i] += right[i];
        return left;
    }
}
