namespace BackpropCluster.Core.Protocol;

/// <summary>An array that is filled anew in every step and sent to others.</summary>
/// <remarks>When a step begins, the one before is committed: every receiver has answered Ready, so nobody reads its
/// arrays any more, and whatever message of it is still under way will be dropped by its key. A recovery makes new
/// ones, because in the old term somebody may still read. A step of a wide layer would else fill new memory, which is
/// cold in every cache.</remarks>
internal struct ReusableBuffer
{
    private double[]? values;

    /// <summary>An array of this length; what it holds is to be overwritten.</summary>
    public double[] OfLength(int length) =>
        values is { } kept && kept.Length == length ? kept : values = GC.AllocateUninitializedArray<double>(length);
}
