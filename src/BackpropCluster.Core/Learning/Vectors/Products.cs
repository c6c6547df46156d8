using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace BackpropCluster.Core.Learning.Vectors;

/// <summary>The loops, written once.</summary>
/// <remarks>AggressiveOptimization on each of them: a wide layer calls them seldom and each call is long, so a compiler
/// that counts calls would leave them slow for a whole epoch.</remarks>
/// <typeparam name="L">Arithmetic of the register.</typeparam>
/// <typeparam name="V">The register.</typeparam>
internal sealed partial class VectorKernels<L, V> : VectorKernels
    where L : struct, ILanes<V>
    where V : struct
{
    // Values of k that are worked off at once: a panel of so many rows stays near the core. The sums go on from memory
    // at the next ones, so the chains are the same.
    private const int MaxDepth = 256;

    // Values that a first-level cache of 32 kB holds, and some others beside them.
    private const int FirstLevel = 3072;

    // Columns that are packed at once: in so many panels, a quarter of a megabyte, B stays in the second-level cache
    // while all rows pass by, each once.
    private const int MaxColumns = 144;

    /// <summary>Columns of a panel: three vectors.</summary>
    private static readonly int PanelWidth = 3 * L.Count;

    [ThreadStatic]
    private static Workspace? workspace;

    public override int Bits => 64 * L.Count;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private protected override bool Multiply(in Product p)
    {
        var space = workspace ??= new Workspace();
        // As many slabs as it takes, all about as deep: a last one of a few rows would load and store each sum for
        // little.
        space.Starts.Clear();
        var slabs = Math.Max(1, (p.K + MaxDepth - 1) / MaxDepth);
        for (var slab = 0; slab < slabs; slab++)
        {
            var first = (int)((long)p.K * slab / slabs);
            Slab(p, space, first, (int)((long)p.K * (slab + 1) / slabs) - first);
        }

        var isFinite = L.IsZero(space.Poison);
        space.Poison = L.Create(0);
        return isFinite;
    }

    /// <summary>Adds the products of some k to all sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Slab(in Product p, Workspace space, int first, int depth)
    {
        // The last rows may not fill a tile. Side by side and padded with zeros they are a whole one.
        var rest = p.M % L.TileRows;
        if (rest > 1)
            p.A.Turned.Pack(first, depth, p.M - rest, rest, space.LastRows, rest <= 4 ? 4 : 8);
        // Of few rows each value of B is used so seldom that it is read where it stands.
        var inPlace = p.M < 4 && p.B.ColumnStride == 1;
        for (int column = p.From, end; column < p.To; column = end)
        {
            for (
                end = column;
                end < p.To && end + PanelWidth <= column + MaxColumns;
                end += VectorsAt(p, end) * L.Count
            )
                if (!inPlace || end + VectorsAt(p, end) * L.Count > p.To)
                    Pack(
                        p.B,
                        first,
                        depth,
                        end,
                        Math.Min(VectorsAt(p, end) * L.Count, p.To - end),
                        VectorsAt(p, end),
                        space.Panels[((end - column) * depth)..]
                    );
            for (var row = 0; row < p.M; row += L.TileRows)
                Rows(p, space, inPlace, first, depth, row, column, end);
        }
    }

    /// <summary>Three vectors to a panel, but the last four as two and two: one alone is too few sums to hide each
    /// other's latency.</summary>
    private static int VectorsAt(in Product p, int column)
    {
        var left = (p.To - column + L.Count - 1) / L.Count;
        return left == 4 ? 2 : Math.Min(left, 3);
    }

    /// <summary>Packs some columns of B into vectors. Those that lie side by side already are copied as such.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pack(
        MatrixView b,
        int first,
        int depth,
        int column,
        int columns,
        int vectors,
        Span<double> panel
    )
    {
        if (b.ColumnStride != 1 || columns < vectors * L.Count)
        {
            b.Pack(first, depth, column, columns, panel, vectors * L.Count);
            return;
        }

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

    /// <summary>The rows of one tile, by all panels at hand.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rows(
        in Product p,
        Workspace space,
        bool inPlace,
        int first,
        int depth,
        int row,
        int column,
        int end
    )
    {
        var height = Math.Min(L.TileRows, p.M - row);
        if (!p.Start.IsEmpty)
            p.Start.Slice(row, height).CopyTo(space.Starts);
        var a = new Factor
        {
            First = ref p.A.At(row, first),
            StrideM = p.A.RowStride,
            StrideK = p.A.ColumnStride,
        };
        if (height > 1 && height < L.TileRows)
        {
            a = new Factor
            {
                First = ref space.LastRows[0],
                StrideM = 1,
                StrideK = height <= 4 ? 4 : 8,
            };
        }
        else if (
            height > 1
            && p.A.RowStride == 1
            && end - column > PanelWidth
            && (long)depth * p.A.ColumnStride > FirstLevel
        )
        {
            // A turned factor jumps through memory from one k to the next. Where several panels need it, and it is too
            // large to stay in the first-level cache, it does so once.
            Pack(p.A.Turned, first, depth, row, height, height / L.Count, space.Turned);
            a = new Factor
            {
                First = ref space.Turned[0],
                StrideM = 1,
                StrideK = height,
            };
        }

        for (var at = column; at < end; )
        {
            var vectors = VectorsAt(p, at);
            var width = Math.Min(vectors * L.Count, p.To - at);
            var isInPlace = inPlace && width == vectors * L.Count;
            ref var b = ref isInPlace ? ref p.B.At(first, at) : ref space.Panels[(at - column) * depth];
            nint strideB = isInPlace ? p.B.RowStride : vectors * L.Count;
            if (vectors == 3)
                Block<Three>(p, space, a, ref b, strideB, first, depth, row, height, at, width);
            else if (vectors == 2)
                Block<Two>(p, space, a, ref b, strideB, first, depth, row, height, at, width);
            else
                Block<One>(p, space, a, ref b, strideB, first, depth, row, height, at, width);
            at += vectors * L.Count;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block<TVectors>(
        in Product p,
        Workspace space,
        Factor a,
        ref double b,
        nint strideB,
        int first,
        int depth,
        int row,
        int height,
        int column,
        int width
    )
        where TVectors : struct, INumber
    {
        ref var c = ref Unsafe.Add(ref MemoryMarshal.GetReference(p.C), (nint)row * p.N + column);
        nint strideC = p.N;
        var isWhole = height == L.TileRows && width == TVectors.Value * L.Count;
        if (!isWhole)
        {
            // What does not fill a tile is summed beside C, by the same code.
            c = ref MemoryMarshal.GetReference(space.Sums);
            strideC = TVectors.Value * L.Count;
            if (first > 0)
                Widen(p.C, p.N, row, column, height, width, space.Sums, (int)strideC);
        }

        // A sum of nothing is what it starts from: a microbatch without rows adds zero to every gradient.
        ref var start = ref first > 0 ? ref Unsafe.NullRef<double>() : ref space.Starts[0];
        var (m, k) = (a.StrideM, a.StrideK);
        if (height == 1)
            Tile<L, V, One, TVectors>.Run(ref a.First, 0, k, ref b, strideB, ref c, strideC, depth, ref start);
        else if (height <= 4)
            Tile<L, V, Four, TVectors>.Run(ref a.First, m, k, ref b, strideB, ref c, strideC, depth, ref start);
        else
            Tile<L, V, Eight, TVectors>.Run(ref a.First, m, k, ref b, strideB, ref c, strideC, depth, ref start);
        if (!p.W.IsEmpty && first + depth == p.K)
            Descend<TVectors>(p, space, row, height, column, width, isWhole, ref c, strideC);
        if (!isWhole)
            Narrow(space.Sums, (int)strideC, p, row, column, height, width);
    }

    /// <summary>W + rate·C of one block, whose sums are complete and still in the first-level cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Descend<TVectors>(
        in Product p,
        Workspace space,
        int row,
        int height,
        int column,
        int width,
        bool isWhole,
        ref double c,
        nint strideC
    )
        where TVectors : struct, INumber
    {
        ref var w = ref Unsafe.Add(ref MemoryMarshal.GetReference(p.W), (nint)row * p.N + column);
        nint strideW = p.N;
        if (!isWhole)
        {
            Widen(p.W, p.N, row, column, height, width, space.Weights, (int)strideC);
            w = ref MemoryMarshal.GetReference(space.Weights);
            strideW = strideC;
        }

        var (rate, poison) = (L.Create(p.Rate), space.Poison);
        for (var r = 0; r < height; r++)
        for (var v = 0; v < TVectors.Value; v++)
        {
            // x − x is 0 for every finite x and NaN for the others.
            var x = L.Fma(rate, L.Load(ref c, r * strideC + v * L.Count), L.Load(ref w, r * strideW + v * L.Count));
            poison = L.Add(poison, L.Subtract(x, x));
            L.Store(x, ref c, r * strideC + v * L.Count);
        }

        space.Poison = poison;
    }

    /// <summary>Copies a block of C, or W, into rows of full width; the rest is zero.</summary>
    private static void Widen(
        ReadOnlySpan<double> c,
        int n,
        int row,
        int column,
        int height,
        int width,
        Span<double> wide,
        int stride
    )
    {
        wide.Clear();
        for (var r = 0; r < height; r++)
            c.Slice((row + r) * n + column, width).CopyTo(wide[(r * stride)..]);
    }

    private static void Narrow(
        ReadOnlySpan<double> wide,
        int stride,
        in Product p,
        int row,
        int column,
        int height,
        int width
    )
    {
        for (var r = 0; r < height; r++)
            wide.Slice(r * stride, width).CopyTo(p.C[((row + r) * p.N + column)..]);
    }

    /// <summary>A thread's working memory, aligned so that no vector lies across two lines of the cache: that would
    /// halve the rate.</summary>
    private sealed class Workspace
    {
        private readonly double[] values;
        private readonly int offset;

        public Workspace()
        {
            // Pinned, or a collection could move it out of its alignment.
            values = GC.AllocateArray<double>(8 + MaxDepth * (MaxColumns + 16) + 16 * PanelWidth + 8, pinned: true);
            offset = (int)(-Marshal.UnsafeAddrOfPinnedArrayElement(values, 0) & 63) / sizeof(double);
        }

        /// <summary>Panels of B, one after the other; in each the columns of its vectors lie side by side.</summary>
        public Span<double> Panels => values.AsSpan(offset, MaxDepth * MaxColumns);

        /// <summary>The rows of A that fill no tile, side by side.</summary>
        public Span<double> LastRows => values.AsSpan(offset + MaxDepth * MaxColumns, MaxDepth * 8);

        /// <summary>One tile's rows of a turned A, side by side.</summary>
        public Span<double> Turned => values.AsSpan(offset + MaxDepth * (MaxColumns + 8), MaxDepth * 8);

        /// <summary>The sums of one block that fills no tile.</summary>
        public Span<double> Sums => values.AsSpan(offset + MaxDepth * (MaxColumns + 16), 8 * PanelWidth);

        /// <summary>The weights of such a block.</summary>
        public Span<double> Weights =>
            values.AsSpan(offset + MaxDepth * (MaxColumns + 16) + 8 * PanelWidth, 8 * PanelWidth);

        /// <summary>What the sums of one tile's rows start from.</summary>
        public Span<double> Starts => values.AsSpan(offset + MaxDepth * (MaxColumns + 16) + 16 * PanelWidth, 8);

        /// <summary>NaN in some lane once a result was no finite number, else 0.</summary>
        public V Poison { get; set; }
    }

    /// <summary>A tile's rows of A, from its first k.</summary>
    private ref struct Factor
    {
        public required ref double First;
        public required nint StrideM;
        public required nint StrideK;
    }
}
