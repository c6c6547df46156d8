using System.Buffers;

namespace BackpropCluster.Core.Learning;

/// <summary>Working memory for one computation: the caller's stack where it is enough, a pooled array beyond.</summary>
/// <remarks>Never for a payload: receivers on the same silo hold the very array that was sent.</remarks>
internal readonly ref struct Scratch
{
    private readonly double[]? rented;

    public Scratch(Span<double> stack, int length)
    {
        rented = length <= stack.Length ? null : ArrayPool<double>.Shared.Rent(length);
        Span = rented is null ? stack[..length] : rented.AsSpan(0, length);
    }

    public Span<double> Span { get; }

    public void Dispose()
    {
        if (rented is not null) ArrayPool<double>.Shared.Return(rented);
    }
}
