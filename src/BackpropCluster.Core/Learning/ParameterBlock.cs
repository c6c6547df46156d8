using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace BackpropCluster.Core.Learning;

/// <summary>Some parameters with their optimizer state, and the update that waits for its commit.</summary>
/// <remarks>An update is prepared when the gradients are in and takes effect with the commit. The state moves on with the
/// preparation: nobody reads it in between, and a slice whose step is not committed is restored whole.</remarks>
public sealed class ParameterBlock
{
    private readonly OptimizerSpec optimizer;
    private readonly double[] state;
    private double[]? pending;
    private double[]? spare;

    public ParameterBlock(double[] values, OptimizerSpec optimizer) =>
        (Values, this.optimizer, state) = (values, optimizer, new double[values.Length * optimizer.StateSize]);

    /// <summary>As of the last commit.</summary>
    public double[] Values { get; private set; }

    /// <summary>As they will be after the commit; <see cref="Values"/> where no update is prepared.</summary>
    public double[] Pending => pending ?? Values;

    public bool IsPrepared => pending is not null;

    /// <summary>An array for gradients: the values before the last commit where they are at hand, so that a step allocates none.</summary>
    /// <remarks>What it holds is to be overwritten.</remarks>
    public double[] TakeBuffer()
    {
        var buffer = spare ?? new double[Values.Length];
        spare = null;
        return buffer;
    }

    /// <summary>Computes the update of a step.</summary>
    /// <param name="gradient">∂E of each parameter. The array is taken over and becomes the next values.</param>
    /// <param name="step">From 1.</param>
    /// <returns>Whether every parameter stays a finite number.</returns>
    public bool Prepare(double[] gradient, int step)
    {
        pending = gradient;
        if (optimizer is { Kind: OptimizerKind.Sgd, Momentum: 0, WeightDecay: 0 }) return Descend(gradient);
        var rule = new OptimizerStep(optimizer, step);
        var size = optimizer.StateSize;
        var finite = true;
        for (var i = 0; i < gradient.Length; i++)
        {
            gradient[i] = rule.Apply(Values[i], gradient[i], state.AsSpan(i * size, size));
            finite &= double.IsFinite(gradient[i]);
        }

        return finite;
    }

    /// <summary>The prepared update takes effect.</summary>
    public void Commit()
    {
        if (pending is null) return;
        (spare, Values, pending) = (Values, pending, null);
    }

    // w ← w − η·g, the rule of most runs, eight at a time; x − x is 0 for every finite x and NaN for the others.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool Descend(double[] gradient)
    {
        var rate = -optimizer.LearningRate;
        var poison = Vector512<double>.Zero;
        var i = 0;
        for (; i + 8 <= gradient.Length; i += 8)
        {
            var w = Vector512.FusedMultiplyAdd(Vector512.Create(rate), Vector512.Create(gradient, i), Vector512.Create(Values, i));
            poison += w - w;
            w.CopyTo(gradient, i);
        }

        var finite = poison == Vector512<double>.Zero;
        for (; i < gradient.Length; i++)
        {
            gradient[i] = Math.FusedMultiplyAdd(rate, gradient[i], Values[i]);
            finite &= double.IsFinite(gradient[i]);
        }

        return finite;
    }
}
