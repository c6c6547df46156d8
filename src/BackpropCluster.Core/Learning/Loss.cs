namespace BackpropCluster.Core.Learning;

/// <summary>E, what training makes smaller: the mean over a batch's rows.</summary>
public enum LossKind
{
    /// <summary>Half the squared error, summed over a row's outputs.</summary>
    HalfSquaredError,

    /// <summary>The squared error, averaged over a row's outputs.</summary>
    MeanSquaredError,

    /// <summary>Cross-entropy of the outputs' softmax with the row's class. The outputs are what softmax takes:
    /// identity units.</summary>
    CrossEntropy,
}

/// <summary>The loss of one row and its slope, side by side.</summary>
/// <remarks><code>
/// half squared error    E = Σₒ ½(yₒ − tₒ)²              ∂E/∂yₒ = yₒ − tₒ
/// mean squared error    E = Σₒ (yₒ − tₒ)² / outputs     ∂E/∂yₒ = 2(yₒ − tₒ) / outputs
/// cross-entropy         E = ln Σₒ e^yₒ − Σₒ tₒ·yₒ       ∂E/∂yₒ = e^yₒ / Σ e^y − tₒ
/// </code>The mean over rows is taken once, here: ∂E/∂y is divided by the batch's rows when it leaves, and everything
/// after it is plain sums. Softmax subtracts the largest output first, so that no exponential overflows.</remarks>
public static class LossRules
{
    /// <summary>E of one row, summed over its outputs in order.</summary>
    public static double Value(this LossKind loss, ReadOnlySpan<double> y, ReadOnlySpan<double> t)
    {
        var sum = 0.0;
        if (loss == LossKind.CrossEntropy)
        {
            var largest = y[Largest(y)];
            var exponentials = y.Length <= 64 ? stackalloc double[y.Length] : new double[y.Length];
            sum = Exponentials(y, largest, exponentials);
            var value = PortableMath.Log(sum);
            for (var o = 0; o < y.Length; o++)
                value = Math.FusedMultiplyAdd(-t[o], y[o] - largest, value);
            return value;
        }

        for (var o = 0; o < y.Length; o++)
        {
            var error = y[o] - t[o];
            sum += loss == LossKind.HalfSquaredError ? 0.5 * error * error : error * error;
        }

        return loss == LossKind.HalfSquaredError ? sum : sum / y.Length;
    }

    /// <summary>∂E/∂y of one row of a batch of <paramref name="rows"/>.</summary>
    public static void Gradient(
        this LossKind loss,
        ReadOnlySpan<double> y,
        ReadOnlySpan<double> t,
        int rows,
        Span<double> gradient
    )
    {
        if (loss == LossKind.CrossEntropy)
        {
            var sum = Exponentials(y, y[Largest(y)], gradient);
            for (var o = 0; o < y.Length; o++)
                gradient[o] = (gradient[o] / sum - t[o]) / rows;
            return;
        }

        for (var o = 0; o < y.Length; o++)
            gradient[o] =
                loss == LossKind.HalfSquaredError
                    ? (y[o] - t[o]) / rows
                    : 2 * (y[o] - t[o]) / ((double)y.Length * rows);
    }

    /// <summary>Whether the outputs name the row's class: the largest output, the first among equals; one output alone
    /// says class 1 from ½ upward.</summary>
    public static bool IsCorrect(ReadOnlySpan<double> y, ReadOnlySpan<double> t) =>
        y.Length == 1 ? (y[0] >= 0.5) == (t[0] >= 0.5) : Largest(y) == Largest(t);

    /// <summary>e^(y − largest), and their sum in order.</summary>
    private static double Exponentials(ReadOnlySpan<double> y, double largest, Span<double> exponentials)
    {
        for (var o = 0; o < y.Length; o++)
            exponentials[o] = y[o] - largest;
        Kernels.Current.Exp(exponentials, exponentials);
        var sum = 0.0;
        foreach (var exponential in exponentials)
            sum += exponential;
        return sum;
    }

    // A NaN counts as the largest: the loss it makes must not be a number.
    private static int Largest(ReadOnlySpan<double> values)
    {
        var best = 0;
        for (var i = 1; i < values.Length; i++)
            if (values[i] > values[best] || double.IsNaN(values[i]))
                best = i;
        return best;
    }
}
