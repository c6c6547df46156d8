namespace BackpropCluster.Core.Learning;

/// <summary>The arithmetic of some consecutive units of one dense layer: their weights, and the weights that lead away
/// from them.</summary>
/// <remarks>All arrays of activations and deltas are unit-major: all rows of the first unit, then all rows of the
/// second, … Then the arrays of several shards, laid end to end, are the array of the whole layer.</remarks>
public sealed class DenseShard
{
    // Multiply-adds of a piece, some thirty microseconds: a piece that is over sooner costs more to hand out than it
    // saves.
    private const long PieceMultiplyAdds = 1 << 20;

    private readonly LayerSpec layer;
    private readonly IWorkers workers;
    private readonly int first;

    /// <summary>Makes the shard with its initial weights, or with those of a checkpoint.</summary>
    /// <param name="spec">The run.</param>
    /// <param name="features">Input columns of the data.</param>
    /// <param name="layer">1, 2, …</param>
    /// <param name="first">The shard's first unit in its layer, from 0.</param>
    /// <param name="units">How many units it holds.</param>
    /// <param name="saved">The model to go on from; <see langword="null"/> begins anew.</param>
    /// <param name="workers">Who computes; <see langword="null"/> for the caller alone.</param>
    public DenseShard(
        RunSpec spec,
        int features,
        int layer,
        int first,
        int units,
        SavedModel? saved = null,
        IWorkers? workers = null
    )
    {
        (this.layer, this.workers, this.first, Units) = (
            spec.Model.Layers[layer - 1],
            workers ?? OneWorker.Instance,
            first,
            units
        );
        Inputs = spec.Model.InputsOf(layer, features);
        UnitsAbove = layer == spec.Model.Layers.Length ? 0 : spec.Model.Layers[layer].Units;
        (Weights, Biases, Outgoing) = saved is null ? Initial(spec, layer) : Restored(spec, layer, saved);
    }

    private (ParameterBlock Weights, ParameterBlock Biases, ParameterBlock Outgoing) Initial(RunSpec spec, int number)
    {
        var weights = new double[Units * Inputs];
        for (var o = 0; o < Units; o++)
        for (var i = 0; i < Inputs; i++)
            weights[o * Inputs + i] = layer.InitialWeight(spec.Seed, number, Inputs, first + o, i);
        var biases = new double[Units];
        for (var o = 0; o < Units; o++)
            biases[o] = layer.InitialBias(number, first + o);
        var outgoing = new double[UnitsAbove * Units];
        for (var o = 0; o < UnitsAbove; o++)
        for (var h = 0; h < Units; h++)
            outgoing[o * Units + h] = spec
                .Model.Layers[number]
                .InitialWeight(spec.Seed, number + 1, layer.Units, o, first + h);
        return (
            new ParameterBlock(weights, spec.Optimizer),
            new ParameterBlock(biases, spec.Optimizer),
            new ParameterBlock(outgoing, spec.Optimizer)
        );
    }

    // Its rows of this layer, its columns of the next: whatever cut the checkpoint was saved in.
    private (ParameterBlock Weights, ParameterBlock Biases, ParameterBlock Outgoing) Restored(
        RunSpec spec,
        int number,
        SavedModel saved
    )
    {
        var (own, size) = (saved.Layers[number - 1], spec.Optimizer.StateSize);
        var weights = new ParameterBlock(
            Rows(own.Weights, Inputs),
            spec.Optimizer,
            Rows(own.WeightsState, Inputs * size)
        );
        var biases = new ParameterBlock(Rows(own.Biases, 1), spec.Optimizer, Rows(own.BiasesState, size));
        if (UnitsAbove == 0)
            return (weights, biases, new ParameterBlock([], spec.Optimizer));
        var above = saved.Layers[number];
        return (
            weights,
            biases,
            new ParameterBlock(Columns(above.Weights, 1), spec.Optimizer, Columns(above.WeightsState, size))
        );

        double[] Rows(double[] values, int width) => values.AsSpan(first * width, Units * width).ToArray();

        double[] Columns(double[] values, int width)
        {
            var columns = new double[UnitsAbove * Units * width];
            for (var o = 0; o < UnitsAbove; o++)
                values
                    .AsSpan((o * layer.Units + first) * width, Units * width)
                    .CopyTo(columns.AsSpan(o * Units * width));
            return columns;
        }
    }

    public int Units { get; }
    public int Inputs { get; }

    /// <summary>Units of the layer above; 0 for the last layer.</summary>
    public int UnitsAbove { get; }

    /// <summary>W: units × inputs, row-major.</summary>
    public ParameterBlock Weights { get; }

    public ParameterBlock Biases { get; }

    /// <summary>This shard's columns of the next layer's W: units above × units, row-major. The other end of weights
    /// that the shards above own; both ends compute the same updates, so the two never differ. Empty for the last
    /// layer.</summary>
    public ParameterBlock Outgoing { get; }

    public Activation Activation => layer.Activation;

    // z[o,r] = b[o] + Σᵢ W[o,i]·x[i,r]        y = φ(z)
    // S[h,r] = Σₒ V[o,h]·δ[o,r]               δ[h,r] = S[h,r]·φ′(z[h,r])          V: the outgoing weights, o: units of
    // the layer above ∂W[o,i] = Σᵣ δ[o,r]·x[i,r]              ∂b[o] = Σᵣ δ[o,r]                   ∂V[o,h] = Σᵣ
    // δ[o,r]·y[h,r]

    // A large product is cut into blocks of whole sums, which free cores take one after the other.

    /// <summary>z of <paramref name="rows"/> rows: units × rows.</summary>
    /// <param name="x">Inputs × rows.</param>
    /// <param name="rows">How many rows.</param>
    /// <param name="z">Where to.</param>
    public void PreActivations(double[] x, int rows, double[] z)
    {
        var grid = Grid((long)Units * Inputs * rows, rows);
        if (grid.Blocks == 1)
            Compute(grid[0], x, rows, z);
        else
            Cut(this, grid, x, rows, z);

        // Apart: a lambda's captured arguments would be allocated for every neuron too.
        static void Cut(DenseShard own, BlockGrid grid, double[] x, int rows, double[] z) =>
            own.workers.Run(grid.Blocks, block => own.Compute(grid[block], x, rows, z));
    }

    private void Compute(Block block, double[] x, int rows, double[] z) =>
        Kernels.Current.Product(
            Weights.Values.AsSpan(block.Of(Inputs)),
            Inputs,
            1,
            x,
            Biases.Values.AsSpan(block.Of(1)),
            z.AsSpan(block.Of(rows)),
            block.Units,
            Inputs,
            rows,
            block.Columns
        );

    private BlockGrid Grid(long multiplyAdds, int columns) =>
        multiplyAdds < 2 * PieceMultiplyAdds
            ? BlockGrid.Whole(Units, columns)
            : BlockGrid.Cut(Units, columns, workers.Free, multiplyAdds / PieceMultiplyAdds);

    /// <summary>y = φ(z); both may be one array.</summary>
    /// <param name="z">Units × rows.</param>
    /// <param name="y">Where to.</param>
    public void Activate(double[] z, double[] y)
    {
        var grid = Grid(layer.Activation.MultiplyAdds() * (long)z.Length, columns: 1);
        if (grid.Blocks == 1)
            layer.Activation.Apply(z, y);
        else
            Cut(this, grid, z, y);

        static void Cut(DenseShard own, BlockGrid grid, double[] z, double[] y) =>
            own.workers.Run(
                grid.Blocks,
                block =>
                {
                    var units = grid[block].Of(z.Length / own.Units);
                    own.Activation.Apply(z.AsSpan(units), y.AsSpan(units));
                }
            );
    }

    /// <summary>∂E/∂y of this shard's units: units × rows. For the last layer that is its share of what the loss
    /// sends.</summary>
    /// <remarks>With the pending outgoing weights, which differ from the committed ones only where the update order
    /// wants it.</remarks>
    /// <param name="above">Deltas of the layer above, units above × rows; for the last layer ∂E/∂y of all
    /// outputs.</param>
    /// <param name="rows">How many rows.</param>
    /// <param name="s">Where to.</param>
    public void OutputGradients(double[] above, int rows, double[] s)
    {
        if (UnitsAbove == 0)
        {
            above.AsSpan(first * rows, Units * rows).CopyTo(s);
            return;
        }

        var grid = Grid((long)UnitsAbove * Units * rows, rows);
        if (grid.Blocks == 1)
            Slopes(grid[0], above, rows, s);
        else
            Cut(this, grid, above, rows, s);

        static void Cut(DenseShard own, BlockGrid grid, double[] above, int rows, double[] s) =>
            own.workers.Run(grid.Blocks, block => own.Slopes(grid[block], above, rows, s));
    }

    private void Slopes(Block block, double[] above, int rows, double[] s) =>
        Kernels.Current.Product(
            Outgoing.Pending.AsSpan(block.From),
            1,
            Units,
            above,
            [],
            s.AsSpan(block.Of(rows)),
            block.Units,
            UnitsAbove,
            rows,
            block.Columns
        );

    /// <summary>∂W of some rows: units × inputs.</summary>
    /// <param name="x">Inputs × rows.</param>
    /// <param name="delta">δ of this shard, units × rows.</param>
    /// <param name="rows">How many rows.</param>
    public double[] WeightGradients(double[] x, double[] delta, int rows)
    {
        var gradients = Weights.TakeBuffer();
        Descend(x, delta, rows, gradients, rate: null);
        return gradients;
    }

    /// <summary>Prepares the update of W from all rows of a step at once: each gradient is applied while it is in the
    /// core.</summary>
    /// <remarks>The same bits as <see cref="WeightGradients"/> and <see cref="Prepare"/>. The gradients themselves are
    /// not kept.</remarks>
    /// <param name="x">Inputs × rows.</param>
    /// <param name="delta">δ of this shard, units × rows.</param>
    /// <param name="rows">How many rows.</param>
    /// <param name="step">From 1.</param>
    /// <returns>Whether every weight stays a finite number; nothing, and nothing was done, where the optimizer needs
    /// more than gradients.</returns>
    public bool? PrepareWeights(double[] x, double[] delta, int rows, int step)
    {
        if (Weights.PlainRate(step) is not { } rate)
            return null;
        var next = Weights.TakeBuffer();
        var isFinite = Descend(x, delta, rows, next, -rate);
        Weights.Prepare(next);
        return isFinite;
    }

    private bool Descend(double[] x, double[] delta, int rows, double[] next, double? rate)
    {
        var grid = Grid((long)Units * Inputs * rows, Inputs);
        return grid.Blocks == 1
            ? Descend(grid[0], x, delta, rows, next, rate)
            : Cut(this, grid, x, delta, rows, next, rate);

        static bool Cut(
            DenseShard own,
            BlockGrid grid,
            double[] x,
            double[] delta,
            int rows,
            double[] next,
            double? rate
        )
        {
            var finite = new bool[grid.Blocks];
            own.workers.Run(grid.Blocks, block => finite[block] = own.Descend(grid[block], x, delta, rows, next, rate));
            return Array.TrueForAll(finite, isFinite => isFinite);
        }
    }

    // Gradients; with a rate, which may be 0, what they make of the weights.
    private bool Descend(Block block, double[] x, double[] delta, int rows, double[] next, double? rate) =>
        Kernels.Current.ProductOfTransposed(
            delta.AsSpan(block.Of(rows)),
            x,
            next.AsSpan(block.Of(Inputs)),
            block.Units,
            rows,
            Inputs,
            rate is null ? [] : Weights.Values.AsSpan(block.Of(Inputs)),
            rate ?? 0,
            block.Columns
        );

    /// <summary>∂b of some rows.</summary>
    public double[] BiasGradients(ReadOnlySpan<double> delta, int rows)
    {
        var biases = Biases.TakeBuffer();
        Kernels.Current.RowSums(delta, biases, Units, rows);
        return biases;
    }

    /// <summary>∂V, the gradients of the outgoing weights: units above × units; empty for the last layer.</summary>
    public double[] OutgoingGradients(ReadOnlySpan<double> y, ReadOnlySpan<double> above, int rows)
    {
        var gradients = Outgoing.TakeBuffer();
        Kernels.Current.ProductOfTransposed(above, y, gradients, UnitsAbove, rows, Units);
        return gradients;
    }

    /// <summary>Whether an update waits for its commit; the optimizer's state has moved on then.</summary>
    public bool IsPrepared => Weights.IsPrepared || Outgoing.IsPrepared;

    /// <summary>Prepares the update of a step.</summary>
    /// <param name="gradients">Of all rows of the step; the arrays are taken over.</param>
    /// <param name="step">From 1.</param>
    /// <returns>Whether every parameter stays a finite number.</returns>
    public bool Prepare(Gradients gradients, int step)
    {
        // What is prepared already was made with the product, or S was made of it.
        var finite = Weights.IsPrepared || Weights.Prepare(gradients.Weights, step);
        if (layer.TrainBias)
            finite &= Biases.Prepare(gradients.Biases, step);
        if (!Outgoing.IsPrepared)
            finite &= Outgoing.Prepare(gradients.Outgoing, step);
        return finite;
    }

    /// <summary>The prepared update takes effect. Of two ends of a weight both got the same gradient, so both stay
    /// equal.</summary>
    public void Commit()
    {
        Weights.Commit();
        Biases.Commit();
        Outgoing.Commit();
    }
}

/// <summary>Gradients of one shard over some rows: ∂W (units × inputs), ∂b, ∂V (units above × units).</summary>
public sealed record Gradients(double[] Weights, double[] Biases, double[] Outgoing)
{
    /// <summary>The sum over microbatches, in a tree by their index. The parts' arrays are used as working
    /// memory.</summary>
    public static Gradients Sum(ReadOnlySpan<Gradients> parts)
    {
        var (weights, biases, outgoing) = (
            new double[parts.Length][],
            new double[parts.Length][],
            new double[parts.Length][]
        );
        for (var m = 0; m < parts.Length; m++)
            (weights[m], biases[m], outgoing[m]) = (parts[m].Weights, parts[m].Biases, parts[m].Outgoing);
        return parts.Length == 1
            ? parts[0]
            : new Gradients(GradientTree.Sum(weights), GradientTree.Sum(biases), GradientTree.Sum(outgoing));
    }
}

/// <summary>Adds gradients of microbatches in a binary tree by microbatch index.</summary>
/// <remarks>((0 + 1) + (2 + 3)) + …: a chain from 0 upward would force replicas that share the microbatches to add one
/// after the other; halves of a tree can be summed apart and still end in the same bits.</remarks>
public static class GradientTree
{
    /// <summary>The sum of all parts. The parts themselves are used as working memory.</summary>
    public static double[] Sum(ReadOnlySpan<double[]> parts)
    {
        if (parts.Length == 1)
            return parts[0];
        var middle = (parts.Length + 1) / 2;
        var left = Sum(parts[..middle]);
        var right = Sum(parts[middle..]);
        Kernels.Current.Add(right, left);
        return left;
    }
}
