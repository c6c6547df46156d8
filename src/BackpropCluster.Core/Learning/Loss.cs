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
    /// <summary>E and ∂E/∂y of some rows at once: the bits of row by row, and all exponentials in one go.</summary>
    /// <param name="loss">Which.</param>
    /// <param name="y">Outputs × rows.</param>
    /// <param name="t">The targets, outputs × rows.</param>
    /// <param name="rows">How many rows.</param>
    /// <param name="batch">Rows of the step, which ∂E/∂y is divided by.</param>
    /// <param name="losses">E of each row.</param>
    /// <param name="gradient">∂E/∂y, outputs × rows.</param>
    /// <returns>How many rows are named rightly, as <see cref="IsCorrect"/> says.</returns>
    public static int Compare(
        this LossKind loss,
        ReadOnlySpan<double> y,
        ReadOnlySpan<double> t,
        int rows,
        int batch,
        Span<double> losses,
        Span<double> gradient
    )
    {
        // A short last batch may leave a microbatch without rows.
        if (rows == 0)
            return 0;
        var (outputs, correct) = (y.Length / rows, 0);
        var largest = new int[rows];
        for (var r = 0; r < rows; r++)
        {
            largest[r] = Largest(y, r, rows);
            if (outputs == 1 ? (y[r] >= 0.5) == (t[r] >= 0.5) : largest[r] == Largest(t, r, rows))
                correct++;
        }

        if (loss == LossKind.CrossEntropy)
            CrossEntropies(y, t, largest, batch, losses, gradient);
        else
            SquaredErrors(loss, y, t, rows, batch, losses, gradient);
        return correct;
    }

    private static void CrossEntropies(
        ReadOnlySpan<double> y,
        ReadOnlySpan<double> t,
        ReadOnlySpan<int> largest,
        int batch,
        Span<double> losses,
        Span<double> gradient
    )
    {
        var rows = largest.Length;
        for (var i = 0; i < y.Length; i += rows)
        for (var r = 0; r < rows; r++)
            gradient[i + r] = y[i + r] - y[largest[r]];
        Kernels.Current.Exp(gradient, gradient);
        for (var r = 0; r < rows; r++)
        {
            var sum = 0.0;
            for (var i = r; i < y.Length; i += rows)
                sum += gradient[i];
            losses[r] = PortableMath.Log(sum);
            for (var i = r; i < y.Length; i += rows)
            {
                losses[r] = Math.FusedMultiplyAdd(-t[i], y[i] - y[largest[r]], losses[r]);
                gradient[i] = (gradient[i] / sum - t[i]) / batch;
            }
        }
    }

    private static void SquaredErrors(
        LossKind loss,
        ReadOnlySpan<double> y,
        ReadOnlySpan<double> t,
        int rows,
        int batch,
        Span<double> losses,
        Span<double> gradient
    )
    {
        var (isHalf, outputs) = (loss == LossKind.HalfSquaredError, y.Length / rows);
        for (var r = 0; r < rows; r++)
        {
            var sum = 0.0;
            for (var i = r; i < y.Length; i += rows)
            {
                var error = y[i] - t[i];
                sum += isHalf ? 0.5 * error * error : error * error;
                gradient[i] = isHalf ? error / batch : 2 * error / ((double)outputs * batch);
            }

            losses[r] = isHalf ? sum : sum / outputs;
        }
    }

    /// <summary>E of one row, summed over its outputs in order. As the formula stands, for the reference:
    /// <see cref="Compare"/> is judged by it.</summary>
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
            exponentials[o] = PortableMath.Exp(y[o] - largest);
        var sum = 0.0;
        foreach (var exponential in exponentials)
            sum += exponential;
        return sum;
    }

    private static int Largest(ReadOnlySpan<double> values) => Largest(values, 0, 1);

    // A NaN counts as the largest: the loss it makes must not be a number.
    private static int Largest(ReadOnlySpan<double> values, int first, int stride)
    {
        var best = first;
        for (var i = first + stride; i < values.Length; i += stride)
            if (values[i] > values[best] || double.IsNaN(values[i]))
                best = i;
        return best;
    }
}
