using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace BackpropCluster.Core.Learning.Vectors;

/// <summary>The loops, written once.</summary>
/// <remarks>AggressiveOptimization on each of them: a wide layer calls them seldom and each call is long, so a compiler that counts calls
/// would leave them slow for a whole epoch.</remarks>
/// <typeparam name="L">Arithmetic of the register.</typeparam>
/// <typeparam name="V">The register.</typeparam>
internal sealed partial class VectorKernels<L, V> : VectorKernels
    where L : struct, ILanes<V>
    where V : struct
{
    // Values of k that are worked off at once: a panel of so many rows stays near the core. The sums go on from memory at the next
    // ones, so the chains are the same.
    private const int MaxDepth = 256;

    /// <summary>Columns of a panel: three vectors.</summary>
    private static readonly int PanelWidth = 3 * L.Count;

    [ThreadStatic]
    private static Workspace? workspace;

    public override int Bits => 64 * L.Count;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private protected override void Multiply(in Product p)
    {
        var space = workspace ??= new Workspace();
        // As many slabs as it takes, all about as deep: a last one of a few rows would load and store each sum for little.
        var slabs = Math.Max(1, (p.K + MaxDepth - 1) / MaxDepth);
        for (var slab = 0; slab < slabs; slab++)
        {
            var first = (int)((long)p.K * slab / slabs);
            Slab(p, space, first, (int)((long)p.K * (slab + 1) / slabs) - first);
        }
    }

    /// <summary>Adds the products of some k to all sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Slab(in Product p, Workspace space, int first, int depth)
    {
        // The last rows may not fill a tile. Side by side and padded with zeros they are a whole one.
        var rest = p.M % L.TileRows;
        if (rest > 1) p.A.Turned.Pack(first, depth, p.M - rest, rest, space.LastRows, rest <= 4 ? 4 : 8);
        var vectors = 0;
        for (var column = 0; column < p.N; column += vectors * L.Count)
        {
            // Three vectors at a time, but the last four as two and two: one alone is too few sums to hide each other's latency.
            var left = (p.N - column + L.Count - 1) / L.Count;
            vectors = left == 4 ? 2 : Math.Min(left, 3);
            var width = Math.Min(vectors * L.Count, p.N - column);
            ref var b = ref p.B.At(first, column);
            nint strideB = p.B.RowStride;
            // Of few rows each value of B is used so seldom that it is read where it stands.
            if (p.M >= 4 || p.B.ColumnStride != 1 || width < vectors * L.Count)
            {
                if (p.B.ColumnStride == 1 && width == vectors * L.Count) Pack(p.B, first, depth, column, vectors, space.Panel);
                else p.B.Pack(first, depth, column, width, space.Panel, vectors * L.Count);
                b = ref MemoryMarshal.GetReference(space.Panel);
                strideB = vectors * L.Count;
            }

            if (vectors == 3) Panel<Three>(p, space, first, depth, ref b, strideB, column, width);
            else if (vectors == 2) Panel<Two>(p, space, first, depth, ref b, strideB, column, width);
            else Panel<One>(p, space, first, depth, ref b, strideB, column, width);
        }
    }

    /// <summary>The same as <see cref="Strided.Pack"/> for columns that lie side by side already and fill their vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pack(Strided b, int first, int depth, int column, int vectors, Span<double> panel)
    {
        ref var target = ref MemoryMarshal.GetReference(panel);
        for (var r = 0; r < depth; r++)
        {
            ref var source = ref b.At(first + r, column);
            for (var v = 0; v < vectors; v++)
            {
                L.Store(L.Load(ref source, v * L.Count), ref target, 0);
                target = ref Unsafe.Add(ref target, L.Count);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Panel<TVectors>(
        in Product p, Workspace space, int first, int depth, ref double b, nint strideB, int column, int width)
        where TVectors : struct, INumber
    {
        ref var c = ref MemoryMarshal.GetReference(p.C);
        for (var row = 0; row < p.M; row += L.TileRows)
        {
            var height = Math.Min(L.TileRows, p.M - row);
            ref var block = ref Unsafe.Add(ref c, (nint)row * p.N + column);
            nint stride = p.N;
            var isWhole = height == L.TileRows && width == TVectors.Value * L.Count;
            if (!isWhole)
            {
                // What does not fill a tile is summed beside C, by the same code.
                block = ref MemoryMarshal.GetReference(space.Sums);
                stride = TVectors.Value * L.Count;
                if (first > 0) Widen(p, row, column, height, width, space.Sums, (int)stride);
            }

            // A sum of nothing is what it starts from: a microbatch without rows adds zero to every gradient.
            if (first == 0) Begin<TVectors>(p.Start, row, isWhole ? L.TileRows : height, ref block, stride);
            Sum<TVectors>(p, space, row, height, first, ref b, strideB, ref block, stride, depth);
            if (!isWhole) Narrow(space.Sums, (int)stride, p, row, column, height, width);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Sum<TVectors>(
        in Product p, Workspace space, int row, int height, int first, ref double b, nint strideB, ref double c, nint strideC, int depth)
        where TVectors : struct, INumber
    {
        ref var a = ref p.A.At(row, first);
        var (strideM, strideK) = ((nint)p.A.RowStride, (nint)p.A.ColumnStride);
        if (height > 1 && height < L.TileRows)
        {
            a = ref space.LastRows[0];
            (strideM, strideK) = (1, height <= 4 ? 4 : 8);
        }

        if (height == 1) Tile<L, V, One, TVectors>.Run(ref a, strideM, strideK, ref b, strideB, ref c, strideC, depth);
        else if (height <= 4) Tile<L, V, Four, TVectors>.Run(ref a, strideM, strideK, ref b, strideB, ref c, strideC, depth);
        else Tile<L, V, Eight, TVectors>.Run(ref a, strideM, strideK, ref b, strideB, ref c, strideC, depth);
    }

    /// <summary>What the sums of some rows start from.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Begin<TVectors>(ReadOnlySpan<double> start, int row, int rows, ref double c, nint strideC)
        where TVectors : struct, INumber
    {
        for (var r = 0; r < rows; r++)
        {
            var value = L.Create(start.IsEmpty ? 0 : start[row + r]);
            for (var v = 0; v < TVectors.Value; v++) L.Store(value, ref c, r * strideC + v * L.Count);
        }
    }

    /// <summary>Copies a block of C into rows of full width; what is not of C is zero.</summary>
    private static void Widen(in Product p, int row, int column, int height, int width, Span<double> wide, int stride)
    {
        wide.Clear();
        for (var r = 0; r < height; r++) p.C.Slice((row + r) * p.N + column, width).CopyTo(wide[(r * stride)..]);
    }

    private static void Narrow(ReadOnlySpan<double> wide, int stride, in Product p, int row, int column, int height, int width)
    {
        for (var r = 0; r < height; r++) wide.Slice(r * stride, width).CopyTo(p.C[((row + r) * p.N + column)..]);
    }

    /// <summary>A thread's working memory, aligned so that no vector lies across two lines of the cache: that would halve the rate.</summary>
    private sealed class Workspace
    {
        private readonly double[] values;
        private readonly int offset;

        public Workspace()
        {
            // Pinned, or a collection could move it out of its alignment.
            values = GC.AllocateArray<double>(8 + MaxDepth * (PanelWidth + 8) + 8 * PanelWidth, pinned: true);
            offset = (int)(-Marshal.UnsafeAddrOfPinnedArrayElement(values, 0) & 63) / sizeof(double);
        }

        /// <summary>Some columns of B, side by side.</summary>
        public Span<double> Panel => values.AsSpan(offset, MaxDepth * PanelWidth);

        /// <summary>The rows of A that fill no tile, side by side.</summary>
        public Span<double> LastRows => values.AsSpan(offset + MaxDepth * PanelWidth, MaxDepth * 8);

        /// <summary>The sums of one block that fills no tile.</summary>
        public Span<double> Sums => values.AsSpan(offset + MaxDepth * (PanelWidth + 8), 8 * PanelWidth);
    }
}
