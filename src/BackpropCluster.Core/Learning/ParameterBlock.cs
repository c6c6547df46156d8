namespace BackpropCluster.Core.Learning;

/// <summary>Some parameters with their optimizer state, and the update that waits for its commit.</summary>
/// <remarks>An update is prepared when the gradients are in and takes effect with the commit. The state moves on with
/// the preparation: nobody reads it in between, and a shard whose step is not committed is restored whole.</remarks>
public sealed class ParameterBlock
{
    private readonly OptimizerSpec optimizer;
    private readonly double[] state;
    private double[]? pending;

    // Weakly: a step finds the array again, but a model that waits, or a machine that is short of memory, need not pay
    // for it.
    private readonly WeakReference<double[]?> spare = new(null);

    /// <param name="values">The parameters; the array is taken over.</param>
    /// <param name="optimizer">The rule.</param>
    /// <param name="state">Its numbers for each parameter, one parameter after the other, taken over; none before the
    /// first step.</param>
    public ParameterBlock(double[] values, OptimizerSpec optimizer, double[]? state = null) =>
        (Values, this.optimizer, this.state) = (
            values,
            optimizer,
            state ?? new double[values.Length * optimizer.StateSize]
        );

    /// <summary>The optimizer's numbers. Those of the last commit only while no update is prepared.</summary>
    public ReadOnlySpan<double> State => state;

    /// <summary>As of the last commit.</summary>
    public double[] Values { get; private set; }

    /// <summary>As they will be after the commit; <see cref="Values"/> where no update is prepared.</summary>
    public double[] Pending => pending ?? Values;

    public bool IsPrepared => pending is not null;

    /// <summary>An array for gradients: the values before the last commit where they are at hand, so that a step
    /// allocates none.</summary>
    /// <remarks>What it holds is to be overwritten.</remarks>
    public double[] TakeBuffer()
    {
        if (!spare.TryGetTarget(out var buffer))
            return new double[Values.Length];
        spare.SetTarget(null);
        return buffer;
    }

    /// <summary>η of a step where w − η·g is the whole update, the rule of most runs.</summary>
    public double? PlainRate(int step) =>
        optimizer is Sgd { Momentum: 0, WeightDecay: 0 } ? optimizer.RateAt(step) : null;

    /// <summary>Takes the next values, computed elsewhere; the array is taken over.</summary>
    public void Prepare(double[] next) => pending = next;

    /// <summary>Computes the update of a step.</summary>
    /// <param name="gradient">∂E of each parameter. The array is taken over and becomes the next values.</param>
    /// <param name="step">From 1.</param>
    /// <returns>Whether every parameter stays a finite number.</returns>
    public bool Prepare(double[] gradient, int step)
    {
        pending = gradient;
        if (PlainRate(step) is { } rate)
            return Kernels.Current.Descend(-rate, Values, gradient);
        var rule = optimizer.At(step);
        var size = optimizer.StateSize;
        var finite = true;
        for (var i = 0; i < gradient.Length; i++)
        {
            gradient[i] = rule.Apply(Values[i], gradient[i], state.AsSpan(i * size, size));
            finite &= double.IsFinite(gradient[i]);
        }

        return finite;
    }

    /// <summary>An order-free sum over parameters and optimizer state, by their address in the layer: equal at both
    /// ends of its weights.</summary>
    /// <param name="columns">Columns of this block.</param>
    /// <param name="inputs">Columns of the whole layer.</param>
    /// <param name="firstRow">The block's first row in the layer.</param>
    /// <param name="firstColumn">Its first column there.</param>
    public ulong CommutativeChecksum(int columns, int inputs, int firstRow, int firstColumn)
    {
        var size = optimizer.StateSize;
        var sum = WeightsHash.CommutativeChecksum(Values, columns, inputs, firstRow, firstColumn);
        // Tripled, so that a value and a state number that changed places would not cancel out. Still a sum: parts of
        // it can be added up.
        return size == 0
            ? sum
            : sum
                + 3
                    * WeightsHash.CommutativeChecksum(
                        state,
                        columns * size,
                        inputs * size,
                        firstRow,
                        firstColumn * size
                    );
    }

    /// <summary>The prepared update takes effect.</summary>
    public void Commit()
    {
        if (pending is null)
            return;
        spare.SetTarget(Values);
        (Values, pending) = (pending, null);
    }
}
