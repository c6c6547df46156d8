using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using BackpropCluster.Core.Learning.Vectors;

namespace BackpropCluster.Core.Data;

/// <summary>Some rows with their targets, in file order.</summary>
public sealed class RowSet
{
    private readonly double[] inputs; // rows × features
    private readonly double[] targets; // rows × outputs
    private readonly int outputs;

    private RowSet(int features, double[] inputs, int outputs, double[] targets)
    {
        (Features, this.inputs, this.outputs, this.targets) = (features, inputs, outputs, targets);
    }

    public int Features { get; }

    public int Count => inputs.Length / Features;

    /// <summary>The inputs of some rows, unit-major: all rows of feature 0, then all rows of feature 1, …</summary>
    public double[] Inputs(ReadOnlySpan<int> rows)
    {
        var values = GC.AllocateUninitializedArray<double>(Features * rows.Length);
        CopyInputs(rows, values);
        return values;
    }

    /// <summary>The same into an array of features × rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void CopyInputs(ReadOnlySpan<int> rows, Span<double> values)
    {
        // Eight rows by eight features at a time: one line of the cache is then written by eight rows while it is at
        // hand.
        const int Tile = 8;
        for (var top = 0; top < rows.Length; top += Tile)
        for (var left = 0; left < Features; left += Tile)
            CopyTile(rows, top, Math.Min(Tile, rows.Length - top), left, Math.Min(Tile, Features - left), values);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void CopyTile(ReadOnlySpan<int> rows, int top, int height, int left, int width, Span<double> values)
    {
        var r = top;
        for (; r + 2 <= top + height; r += 2)
        {
            var first = inputs.AsSpan(rows[r] * Features + left, width);
            var second = inputs.AsSpan(rows[r + 1] * Features + left, width);
            var f = 0;
            for (; f + 2 <= width; f += 2)
            {
                // Two rows of two features are one exchange of halves between registers.
                var (x, y) = (Vector128.Create<double>(first[f..]), Vector128.Create<double>(second[f..]));
                Pairs.Lows(x, y).CopyTo(values[((left + f) * rows.Length + r)..]);
                Pairs.Highs(x, y).CopyTo(values[((left + f + 1) * rows.Length + r)..]);
            }

            for (; f < width; f++)
                (values[(left + f) * rows.Length + r], values[(left + f) * rows.Length + r + 1]) = (
                    first[f],
                    second[f]
                );
        }

        for (; r < top + height; r++)
        for (var f = left; f < left + width; f++)
            values[f * rows.Length + r] = inputs[rows[r] * Features + f];
    }

    /// <summary>One value of one row.</summary>
    public double Input(int row, int feature) => inputs[row * Features + feature];

    /// <summary>One target per output; for classes 1 at the row's class and 0 elsewhere, or the class itself where one
    /// output serves two classes.</summary>
    public ReadOnlySpan<double> Target(int row) => targets.AsSpan(row * outputs, outputs);

    internal static RowSet Select(Table table, ReadOnlySpan<int> rows, int outputs)
    {
        var inputs = new double[rows.Length * table.Features];
        var targets = new double[rows.Length * outputs];
        for (var r = 0; r < rows.Length; r++)
        {
            table.Inputs.AsSpan(rows[r] * table.Features, table.Features).CopyTo(inputs.AsSpan(r * table.Features));
            var target = targets.AsSpan(r * outputs, outputs);
            if (table.Classes is null)
                table.Targets.AsSpan(rows[r] * outputs, outputs).CopyTo(target);
            else if (outputs == 1)
                target[0] = table.Classes[rows[r]];
            else
                target[table.Classes[rows[r]]] = 1;
        }

        return new RowSet(table.Features, inputs, outputs, targets);
    }

    internal RowSet ScaledBy(Scaler scaler)
    {
        // In place: nobody else holds the selected rows yet, and a second copy of a large set would not fit beside the
        // first.
        for (var row = 0; row < inputs.Length; row += Features)
        for (var f = 0; f < Features; f++)
            inputs[row + f] = (inputs[row + f] - scaler.Shift[f]) / scaler.Divisor[f];
        return this;
    }
}
