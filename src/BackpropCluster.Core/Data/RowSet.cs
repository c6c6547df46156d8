using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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
        // By reference below, without bounds checks.
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, Features * rows.Length);
        foreach (var row in rows)
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Count);
        var top = 0;
        for (; top + 8 <= rows.Length; top += 8)
            CopyEight(rows, top, values);
        for (; top < rows.Length; top++)
        for (var f = 0; f < Features; f++)
            values[f * rows.Length + top] = inputs[rows[top] * Features + f];
    }

    // A line of the cache holds eight numbers: it is then written while it is at hand, and by whole registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void CopyEight(ReadOnlySpan<int> rows, int top, Span<double> values)
    {
        ref var to = ref values[top];
        ref double r0 = ref First(rows[top]),
            r1 = ref First(rows[top + 1]),
            r2 = ref First(rows[top + 2]),
            r3 = ref First(rows[top + 3]),
            r4 = ref First(rows[top + 4]),
            r5 = ref First(rows[top + 5]),
            r6 = ref First(rows[top + 6]),
            r7 = ref First(rows[top + 7]);
        nint f = 0;
        for (; f + 4 <= Features; f += 4)
        {
            ref var target = ref Unsafe.Add(ref to, f * rows.Length);
            Turn.Four(
                ref Unsafe.Add(ref r0, f),
                ref Unsafe.Add(ref r1, f),
                ref Unsafe.Add(ref r2, f),
                ref Unsafe.Add(ref r3, f),
                ref target,
                rows.Length
            );
            Turn.Four(
                ref Unsafe.Add(ref r4, f),
                ref Unsafe.Add(ref r5, f),
                ref Unsafe.Add(ref r6, f),
                ref Unsafe.Add(ref r7, f),
                ref Unsafe.Add(ref target, 4),
                rows.Length
            );
        }

        for (; f < Features; f++)
        for (var r = 0; r < 8; r++)
            Unsafe.Add(ref to, f * rows.Length + r) = Unsafe.Add(ref First(rows[top + r]), f);
    }

    private ref double First(int row) =>
        ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(inputs), (nint)row * Features);

    /// <summary>One value of one row.</summary>
    public double Input(int row, int feature) => inputs[row * Features + feature];

    /// <summary>One target per output; for classes 1 at the row's class and 0 elsewhere, or the class itself where one
    /// output serves two classes.</summary>
    public ReadOnlySpan<double> Target(int row) => targets.AsSpan(row * outputs, outputs);

    /// <summary>The targets of some rows into an array of outputs × rows.</summary>
    public void CopyTargets(ReadOnlySpan<int> rows, Span<double> values)
    {
        for (var r = 0; r < rows.Length; r++)
        {
            var target = Target(rows[r]);
            for (var o = 0; o < target.Length; o++)
                values[o * rows.Length + r] = target[o];
        }
    }

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
