using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace BackpropCluster.Core.Learning;

/// <summary>The one matrix product that forward, backward and gradient are made of.</summary>
public static class Kernels
{
    // C[m,n] = start[m] + Σₖ A[m,k]·B[k,n]      k = 0, 1, 2, …: one fused multiply-add after the other
    //
    // Lanes run along n: eight sums at once, each in its own order of k. Running them along k would be as fast and would
    // regroup every sum; then a layer cut in two would end in other bits than the whole one (decisions/0002).
    //
    // AggressiveOptimization, here and on other loops over whole arrays: a wide layer calls them seldom and each call is long, so a
    // compiler that counts calls would leave them slow for a whole epoch.

    private const int Lanes = 8;

    /// <summary>From so many rows on, packing B pays: each packed value is used by that many chains.</summary>
    private const int TallRows = 8;

    /// <summary>Columns of a packed panel: two vectors, with eight rows sixteen sums that hide each other's latency.</summary>
    private const int PanelColumns = 2 * Lanes;

    /// <summary>Values of k that are worked off at once: a panel of so many rows stays in the first-level cache. The sums go on
    /// from memory at the next ones, so the chains are the same.</summary>
    private const int PanelDepth = 256;

    /// <summary>C = start + A·B with every sum in index order.</summary>
    /// <param name="a">Element (m, k) stands at m·<paramref name="strideM"/> + k·<paramref name="strideK"/>: a transposed A needs no copy.</param>
    /// <param name="strideM">Distance of A's rows.</param>
    /// <param name="strideK">Distance of A's columns.</param>
    /// <param name="b">k × n, row-major.</param>
    /// <param name="start">What each of the m rows starts from; empty means 0.</param>
    /// <param name="c">m × n, row-major; overwritten.</param>
    /// <param name="m">Rows of A and C.</param>
    /// <param name="k">Columns of A, rows of B.</param>
    /// <param name="n">Columns of B and C.</param>
    public static void Product(
        ReadOnlySpan<double> a, int strideM, int strideK, ReadOnlySpan<double> b, ReadOnlySpan<double> start, Span<double> c, int m, int k, int n) =>
        Product(new Strided(a, strideM, strideK), new Strided(b, n, 1), start, c, m, k, n);

    /// <summary>C = A·Bᵀ: A is m × k, B is n × k, both row-major. A gradient's sum over rows.</summary>
    public static void ProductOfTransposed(ReadOnlySpan<double> a, ReadOnlySpan<double> b, Span<double> c, int m, int k, int n)
    {
        // A single column, a neuron's outgoing gradients, lies in memory as a single row does; as a row it fills the lanes.
        if (n == 1 && m > 1) Product(new Strided(b, k, 1), new Strided(a, 1, k), [], c, 1, k, m);
        else Product(new Strided(a, k, 1), new Strided(b, 1, k), [], c, m, k, n);
    }

    /// <summary>c[m] = Σₖ A[m,k], each sum in index order: A is m × k, row-major. A bias gradient's sum over rows.</summary>
    /// <remarks>A product with a matrix of ones: 1·a + sum is rounded as a + sum is, and eight sums run side by side.</remarks>
    public static void RowSums(ReadOnlySpan<double> a, Span<double> c, int m, int k) =>
        Product(new Strided([1.0], 0, 0), new Strided(a, 1, k), [], c, 1, k, m);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Product(Strided a, Strided b, ReadOnlySpan<double> start, Span<double> c, int m, int k, int n)
    {
        // Below, values are read and written by reference, without bounds checks: a wrong shape must stop here, or it would read a
        // stranger's memory.
        if (!a.Holds(m, k) || b.Length != k * n || c.Length != m * n || (start.Length != 0 && start.Length != m))
            throw new ArgumentException($"shapes do not fit: C {m}×{n} ({c.Length} values) = start ({start.Length}) + A {m}×{k} ({a.Length}) · B {k}×{n} ({b.Length})");
        if (m == 0 || n == 0) return;

        // A sum of nothing is what it starts from: a microbatch without rows adds zero to every gradient.
        for (var row = 0; row < m; row++) c.Slice(row * n, n).Fill(start.IsEmpty ? 0 : start[row]);
        if (m >= TallRows) Tall(a, b, c, m, k, n);
        else if (k > 0) Flat(a, b, c, m, k, n);
    }

    /// <summary>Many rows: columns of B are packed sixteen at a time and used by all rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tall(Strided a, Strided b, Span<double> c, int m, int k, int n)
    {
        // The last columns may not fill a panel; their sums are kept in one of full width beside C, same code, same arithmetic.
        var rest = n % PanelColumns;
        using var scratch = new Scratch([], PanelColumns * (Math.Min(k, PanelDepth) + (rest > 0 ? m : 0)));
        var panel = scratch.Span[..(PanelColumns * Math.Min(k, PanelDepth))];
        var last = scratch.Span[panel.Length..];
        if (rest > 0) Widen(c[(n - rest)..], n, rest, last, m);
        for (var depth = 0; depth < k; depth += PanelDepth)
        {
            var rows = Math.Min(PanelDepth, k - depth);
            for (var column = 0; column < n; column += PanelColumns)
            {
                var full = column + PanelColumns <= n;
                b.Pack(depth, rows, column, full ? PanelColumns : rest, panel, PanelColumns);
                if (full) Blocks(a, depth, panel, c[column..], n, m, rows);
                else Blocks(a, depth, panel, last, PanelColumns, m, rows);
            }
        }

        for (var row = 0; row < m && rest > 0; row++)
            last.Slice(row * PanelColumns, rest).CopyTo(c[((row + 1) * n - rest)..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Blocks(Strided a, int depth, ReadOnlySpan<double> panel, Span<double> c, int strideC, int m, int k)
    {
        ref var c0 = ref MemoryMarshal.GetReference(c);
        ref var b0 = ref MemoryMarshal.GetReference(panel);
        var row = 0;
        for (; row + 8 <= m; row += 8)
            EightRows(ref a.At(row, depth), a.RowStride, a.ColumnStride, ref b0, ref Unsafe.Add(ref c0, row * strideC), strideC, k);
        for (; row < m; row++)
            OneRow(ref a.At(row, depth), a.ColumnStride, ref b0, ref Unsafe.Add(ref c0, row * strideC), k);
    }

    /// <summary>8 × 16 sums in sixteen registers: ten loads feed sixteen multiply-adds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void EightRows(ref double a, int strideM, int strideK, ref double b, ref double c, int strideC, int k)
    {
        var (c00, c01) = Load(ref c, 0);
        var (c10, c11) = Load(ref c, strideC);
        var (c20, c21) = Load(ref c, 2 * strideC);
        var (c30, c31) = Load(ref c, 3 * strideC);
        var (c40, c41) = Load(ref c, 4 * strideC);
        var (c50, c51) = Load(ref c, 5 * strideC);
        var (c60, c61) = Load(ref c, 6 * strideC);
        var (c70, c71) = Load(ref c, 7 * strideC);
        ref var a4 = ref Unsafe.Add(ref a, 4 * strideM);
        for (var i = 0; i < k; i++)
        {
            var b0 = Vector512.LoadUnsafe(ref b);
            var b1 = Vector512.LoadUnsafe(ref b, Lanes);
            var w = Vector512.Create(a);
            (c00, c01) = (Vector512.FusedMultiplyAdd(w, b0, c00), Vector512.FusedMultiplyAdd(w, b1, c01));
            w = Vector512.Create(Unsafe.Add(ref a, strideM));
            (c10, c11) = (Vector512.FusedMultiplyAdd(w, b0, c10), Vector512.FusedMultiplyAdd(w, b1, c11));
            w = Vector512.Create(Unsafe.Add(ref a, 2 * strideM));
            (c20, c21) = (Vector512.FusedMultiplyAdd(w, b0, c20), Vector512.FusedMultiplyAdd(w, b1, c21));
            w = Vector512.Create(Unsafe.Add(ref a, 3 * strideM));
            (c30, c31) = (Vector512.FusedMultiplyAdd(w, b0, c30), Vector512.FusedMultiplyAdd(w, b1, c31));
            w = Vector512.Create(a4);
            (c40, c41) = (Vector512.FusedMultiplyAdd(w, b0, c40), Vector512.FusedMultiplyAdd(w, b1, c41));
            w = Vector512.Create(Unsafe.Add(ref a4, strideM));
            (c50, c51) = (Vector512.FusedMultiplyAdd(w, b0, c50), Vector512.FusedMultiplyAdd(w, b1, c51));
            w = Vector512.Create(Unsafe.Add(ref a4, 2 * strideM));
            (c60, c61) = (Vector512.FusedMultiplyAdd(w, b0, c60), Vector512.FusedMultiplyAdd(w, b1, c61));
            w = Vector512.Create(Unsafe.Add(ref a4, 3 * strideM));
            (c70, c71) = (Vector512.FusedMultiplyAdd(w, b0, c70), Vector512.FusedMultiplyAdd(w, b1, c71));
            b = ref Unsafe.Add(ref b, PanelColumns);
            a = ref Unsafe.Add(ref a, strideK);
            a4 = ref Unsafe.Add(ref a4, strideK);
        }

        Store(ref c, 0, c00, c01);
        Store(ref c, strideC, c10, c11);
        Store(ref c, 2 * strideC, c20, c21);
        Store(ref c, 3 * strideC, c30, c31);
        Store(ref c, 4 * strideC, c40, c41);
        Store(ref c, 5 * strideC, c50, c51);
        Store(ref c, 6 * strideC, c60, c61);
        Store(ref c, 7 * strideC, c70, c71);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneRow(ref double a, int strideK, ref double b, ref double c, int k)
    {
        var (c0, c1) = Load(ref c, 0);
        for (var i = 0; i < k; i++)
        {
            var w = Vector512.Create(Unsafe.Add(ref a, i * strideK));
            c0 = Vector512.FusedMultiplyAdd(w, Vector512.LoadUnsafe(ref b, (nuint)(i * PanelColumns)), c0);
            c1 = Vector512.FusedMultiplyAdd(w, Vector512.LoadUnsafe(ref b, (nuint)(i * PanelColumns + Lanes)), c1);
        }

        Store(ref c, 0, c0, c1);
    }

    /// <summary>Few rows, a neuron's one above all: B is read where it stands, and packed only where it does not stand in rows of eight.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Flat(Strided a, Strided b, Span<double> c, int m, int k, int n)
    {
        ref var c0 = ref MemoryMarshal.GetReference(c);
        var column = 0;
        if (b.ColumnStride == 1)
            for (; column + Lanes <= n; column += Lanes)
                for (var row = 0; row < m; row++)
                    Chain(ref a.At(row, 0), a.ColumnStride, ref b.At(0, column), b.RowStride, ref Unsafe.Add(ref c0, row * n + column), k);
        if (column == n) return;

        using var scratch = new Scratch(stackalloc double[512], (k + m) * Lanes);
        var panel = scratch.Span[..(k * Lanes)];
        var sums = scratch.Span.Slice(k * Lanes, m * Lanes);
        for (; column < n; column += Lanes)
        {
            var width = Math.Min(Lanes, n - column);
            b.Pack(0, k, column, width, panel, Lanes);
            Widen(c[column..], n, width, sums, m, Lanes);
            for (var row = 0; row < m; row++)
            {
                Chain(ref a.At(row, 0), a.ColumnStride, ref panel[0], Lanes, ref sums[row * Lanes], k);
                sums.Slice(row * Lanes, width).CopyTo(c[(row * n + column)..]);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Chain(ref double a, int strideA, ref double b, int strideB, ref double c, int k)
    {
        var sum = Vector512.LoadUnsafe(ref c);
        for (var i = 0; i < k; i++)
            sum = Vector512.FusedMultiplyAdd(Vector512.Create(Unsafe.Add(ref a, i * strideA)), Vector512.LoadUnsafe(ref b, (nuint)(i * strideB)), sum);
        sum.StoreUnsafe(ref c);
    }

    /// <summary>Copies some columns of C into rows of full width; the surplus lanes hold zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Widen(ReadOnlySpan<double> c, int strideC, int width, Span<double> wide, int rows, int strideWide = PanelColumns)
    {
        for (var row = 0; row < rows; row++)
        {
            c.Slice(row * strideC, width).CopyTo(wide[(row * strideWide)..]);
            wide.Slice(row * strideWide + width, strideWide - width).Clear();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<double>, Vector512<double>) Load(ref double c, int at) =>
        (Vector512.LoadUnsafe(ref c, (nuint)at), Vector512.LoadUnsafe(ref c, (nuint)(at + Lanes)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(ref double c, int at, Vector512<double> first, Vector512<double> second)
    {
        first.StoreUnsafe(ref c, (nuint)at);
        second.StoreUnsafe(ref c, (nuint)(at + Lanes));
    }
}
