namespace BackpropCluster.Core.Protocol;

/// <summary>One sender's array: all rows of its first unit, then all rows of its second, …</summary>
/// <remarks>Immutable by agreement until its step is committed: every receiver on a silo holds this very object, so
/// whoever wrote to
/// <see cref="Values"/> before would change numbers under its neighbours. After the commit its sender fills it anew
/// (<see cref="ReusableBuffer"/>). Crosses a wire by a codec of its own (Grains: PayloadCodec).</remarks>
[Immutable]
public sealed class Payload
{
    /// <summary>The largest payload that is accepted from a wire: 2²⁷ values, 1 GiB.</summary>
    public const int MaxValues = 1 << 27;

    public Payload(int units, int rows, double[] values)
    {
        if (units < 0 || rows < 0 || (long)units * rows != values.Length)
            throw new ArgumentException($"payload of {units} units × {rows} rows holds {values.Length} values");
        (Units, Rows, Values) = (units, rows, values);
    }

    public int Units { get; }
    public int Rows { get; }
    public double[] Values { get; }
    public long Bytes => (long)Values.Length * sizeof(double);
}
