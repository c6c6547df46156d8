namespace BackpropCluster.Core.Data;

/// <summary>x ← (x − shift) / divisor, column by column.</summary>
internal sealed record Scaler(double[] Shift, double[] Divisor)
{
    public static Scaler From(Scaling scaling, RowSet rows)
    {
        var shift = new double[rows.Features];
        var divisor = new double[rows.Features];
        Array.Fill(divisor, 1);
        for (var f = 0; f < rows.Features && scaling != Scaling.None; f++)
        {
            (shift[f], var spread) = scaling == Scaling.MinMax ? MinMax(rows, f) : Standard(rows, f);
            // A column that never changes has nothing to scale by; 0/0 would put NaN into every net.
            if (spread > 0)
                divisor[f] = spread;
        }

        return new Scaler(shift, divisor);
    }

    private static (double Shift, double Spread) MinMax(RowSet rows, int column)
    {
        var (min, max) = (rows.Input(0, column), rows.Input(0, column));
        for (var r = 1; r < rows.Count; r++)
            (min, max) = (Math.Min(min, rows.Input(r, column)), Math.Max(max, rows.Input(r, column)));
        return (min, max - min);
    }

    private static (double Shift, double Spread) Standard(RowSet rows, int column)
    {
        var sum = 0.0;
        for (var r = 0; r < rows.Count; r++)
            sum += rows.Input(r, column);
        var mean = sum / rows.Count;
        var squares = 0.0;
        for (var r = 0; r < rows.Count; r++)
            squares += (rows.Input(r, column) - mean) * (rows.Input(r, column) - mean);
        return (mean, Math.Sqrt(squares / rows.Count));
    }
}
