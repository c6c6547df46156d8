namespace BackpropCluster.Core.Learning;

/// <summary>E, what training makes smaller.</summary>
public enum LossKind
{
    /// <summary>E = mean over rows of Σₒ ½(y − t)².</summary>
    HalfSquaredError,
}

/// <summary>The loss of one row and its slope, side by side.</summary>
/// <remarks>The mean is taken once, here: ∂E/∂y is already divided by the batch's rows when it leaves, and everything after it is plain sums.</remarks>
public static class LossRules
{
    // half squared error    E[r] = Σₒ ½(y[r,o] − t[r,o])²      ∂E/∂y[r,o] = (y[r,o] − t[r,o]) / rows

    /// <summary>E of one row, summed over its outputs in order.</summary>
    public static double Value(this LossKind loss, ReadOnlySpan<double> y, ReadOnlySpan<double> t)
    {
        if (loss != LossKind.HalfSquaredError) throw new ArgumentOutOfRangeException(nameof(loss), loss, null);
        var sum = 0.0;
        for (var o = 0; o < y.Length; o++)
        {
            var error = y[o] - t[o];
            sum += 0.5 * error * error;
        }

        return sum;
    }

    /// <summary>∂E/∂y of one row of a batch of <paramref name="rows"/>.</summary>
    public static void Gradient(this LossKind loss, ReadOnlySpan<double> y, ReadOnlySpan<double> t, int rows, Span<double> gradient)
    {
        if (loss != LossKind.HalfSquaredError) throw new ArgumentOutOfRangeException(nameof(loss), loss, null);
        for (var o = 0; o < y.Length; o++)
            gradient[o] = (y[o] - t[o]) / rows;
    }

    /// <summary>Whether the outputs name the row's class: the largest output, the first among equals; one output alone says class 1 from ½ upward.</summary>
    public static bool IsCorrect(ReadOnlySpan<double> y, ReadOnlySpan<double> t) =>
        y.Length == 1 ? (y[0] >= 0.5) == (t[0] >= 0.5) : Largest(y) == Largest(t);

    private static int Largest(ReadOnlySpan<double> values)
    {
        var best = 0;
        for (var i = 1; i < values.Length; i++)
            if (values[i] > values[best])
                best = i;
        return best;
    }
}
