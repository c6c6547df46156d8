using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace BackpropCluster.Core.Learning;

/// <summary>The one matrix product that forward, backward and gradient are made of.</summary>
public static class Kernels
{
    private const int Lanes = 8;

    // C[m,n] = start[m] + Σₖ A[m,k]·B[k,n]      k = 0, 1, 2, …: one fused multiply-add after the other
    //
    // Lanes run along n: eight sums at once, each in its own order of k. Running them along k would be as fast and would
    // regroup every sum; then a layer cut in two would end in other bits than the whole one (decisions/0002).

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
        ReadOnlySpan<double> a, int strideM, int strideK, ReadOnlySpan<double> b, ReadOnlySpan<double> start, Span<double> c, int m, int k, int n)
    {
        Check(a.Length, m, k, strideM, strideK, b.Length, start.Length, c.Length, n);
        if (m == 0 || n == 0) return;
        if (k == 0)
        {
            // A sum of nothing is what it starts from: a microbatch without rows adds zero to every gradient.
            for (var i = 0; i < m; i++) c.Slice(i * n, n).Fill(start.IsEmpty ? 0 : start[i]);
            return;
        }

        var column = 0;
        for (; column + Lanes <= n; column += Lanes)
            Panel(a, strideM, strideK, b[column..], n, start, c[column..], n, m, k);
        if (column == n) return;

        // The last columns are laid into a panel of full width: same code, same arithmetic, the surplus lanes are dropped.
        var rest = n - column;
        using var padded = new Scratch(stackalloc double[512], (k + m) * Lanes);
        var bPanel = padded.Span[..(k * Lanes)];
        var cPanel = padded.Span.Slice(k * Lanes, m * Lanes);
        for (var i = 0; i < k; i++)
        {
            b.Slice(i * n + column, rest).CopyTo(bPanel[(i * Lanes)..]);
            bPanel.Slice(i * Lanes + rest, Lanes - rest).Clear();
        }

        Panel(a, strideM, strideK, bPanel, Lanes, start, cPanel, Lanes, m, k);
        for (var i = 0; i < m; i++)
            cPanel.Slice(i * Lanes, rest).CopyTo(c[(i * n + column)..]);
    }

    /// <summary>Eight columns of C. Four rows at once: one load of B feeds four chains, which hides the latency of each.</summary>
    private static void Panel(
        ReadOnlySpan<double> a, int strideM, int strideK, ReadOnlySpan<double> b, int strideB,
        ReadOnlySpan<double> start, Span<double> c, int strideC, int m, int k)
    {
        ref var a0 = ref MemoryMarshal.GetReference(a);
        ref var b0 = ref MemoryMarshal.GetReference(b);
        ref var c0 = ref MemoryMarshal.GetReference(c);
        var row = 0;
        for (; row + 4 <= m; row += 4)
        {
            ref var aRow = ref Unsafe.Add(ref a0, row * strideM);
            var s0 = Start(start, row);
            var s1 = Start(start, row + 1);
            var s2 = Start(start, row + 2);
            var s3 = Start(start, row + 3);
            for (var i = 0; i < k; i++)
            {
                var x = Vector512.LoadUnsafe(ref b0, (nuint)(i * strideB));
                ref var w = ref Unsafe.Add(ref aRow, i * strideK);
                s0 = Vector512.FusedMultiplyAdd(Vector512.Create(w), x, s0);
                s1 = Vector512.FusedMultiplyAdd(Vector512.Create(Unsafe.Add(ref w, strideM)), x, s1);
                s2 = Vector512.FusedMultiplyAdd(Vector512.Create(Unsafe.Add(ref w, 2 * strideM)), x, s2);
                s3 = Vector512.FusedMultiplyAdd(Vector512.Create(Unsafe.Add(ref w, 3 * strideM)), x, s3);
            }

            s0.StoreUnsafe(ref c0, (nuint)(row * strideC));
            s1.StoreUnsafe(ref c0, (nuint)((row + 1) * strideC));
            s2.StoreUnsafe(ref c0, (nuint)((row + 2) * strideC));
            s3.StoreUnsafe(ref c0, (nuint)((row + 3) * strideC));
        }

        for (; row < m; row++)
        {
            var s = Start(start, row);
            for (var i = 0; i < k; i++)
                s = Vector512.FusedMultiplyAdd(Vector512.Create(Unsafe.Add(ref a0, row * strideM + i * strideK)), Vector512.LoadUnsafe(ref b0, (nuint)(i * strideB)), s);
            s.StoreUnsafe(ref c0, (nuint)(row * strideC));
        }
    }

    /// <summary>B = Aᵀ for a rows × columns matrix, row-major.</summary>
    public static void Transpose(ReadOnlySpan<double> a, Span<double> b, int rows, int columns)
    {
        for (var i = 0; i < rows; i++)
        {
            var row = a.Slice(i * columns, columns);
            for (var j = 0; j < row.Length; j++)
                b[j * rows + i] = row[j];
        }
    }

    private static Vector512<double> Start(ReadOnlySpan<double> start, int row) =>
        start.IsEmpty ? Vector512<double>.Zero : Vector512.Create(start[row]);

    // The panel loads and stores by reference, without bounds checks: a wrong shape must stop here, or it would read a stranger's memory.
    private static void Check(int a, int m, int k, int strideM, int strideK, int b, int start, int c, int n)
    {
        var needsA = m == 0 || k == 0 ? 0 : (m - 1) * strideM + (k - 1) * strideK + 1;
        if (a < needsA || b != k * n || c != m * n || (start != 0 && start != m))
            throw new ArgumentException($"shapes do not fit: C {m}×{n} ({c} values) = start ({start}) + A {m}×{k} ({a}) · B {k}×{n} ({b})");
    }
}
