namespace BackpropCluster.Core.Data;

/// <summary>Some rows with their targets, in file order.</summary>
public sealed class RowSet
{
    private readonly double[] inputs;   // rows × features
    private readonly double[] targets;  // rows × outputs
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
        var values = new double[Features * rows.Length];
        for (var r = 0; r < rows.Length; r++)
            for (var f = 0; f < Features; f++)
                values[f * rows.Length + r] = inputs[rows[r] * Features + f];
        return values;
    }

    /// <summary>One value of one row.</summary>
    public double Input(int row, int feature) => inputs[row * Features + feature];

    /// <summary>One target per output; for classes 1 at the row's class and 0 elsewhere, or the class itself where one output serves two classes.</summary>
    public ReadOnlySpan<double> Target(int row) => targets.AsSpan(row * outputs, outputs);

    internal static RowSet Select(Table table, ReadOnlySpan<int> rows, int outputs)
    {
        var inputs = new double[rows.Length * table.Features];
        var targets = new double[rows.Length * outputs];
        for (var r = 0; r < rows.Length; r++)
        {
            table.Inputs.AsSpan(rows[r] * table.Features, table.Features).CopyTo(inputs.AsSpan(r * table.Features));
            var target = targets.AsSpan(r * outputs, outputs);
            if (table.Classes is null) table.Targets.AsSpan(rows[r] * outputs, outputs).CopyTo(target);
            else if (outputs == 1) target[0] = table.Classes[rows[r]];
            else target[table.Classes[rows[r]]] = 1;
        }

        return new RowSet(table.Features, inputs, outputs, targets);
    }

    internal RowSet ScaledBy(Scaler scaler)
    {
        var scaled = new double[inputs.Length];
        for (var i = 0; i < scaled.Length; i++)
            scaled[i] = (inputs[i] - scaler.Shift[i % Features]) / scaler.Divisor[i % Features];
        return new RowSet(Features, scaled, outputs, targets);
    }
}
