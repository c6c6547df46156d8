namespace BackpropCluster.Core.Learning.Vectors;

/// <summary>All loops over arrays, for registers of one width. Every width computes the same bits.</summary>
/// <remarks><code>
/// C[m,n] = start[m] + Σₖ A[m,k]·B[k,n]      k = 0, 1, 2, …: one fused multiply-add after the other
/// </code>Lanes run along n: several sums at once, each in its own order of k. Running them along k would be as fast
/// and would regroup every sum; then a layer cut in two would end in other bits than the whole one
/// (decisions/0002).</remarks>
public abstract class VectorKernels
{
    private protected VectorKernels() { }

    /// <summary>Of a register; 64 where each number is computed by itself.</summary>
    public abstract int Bits { get; }

    /// <summary>C = start + A·B with every sum in index order.</summary>
    /// <param name="a">Element (m, k) stands at m·<paramref name="strideM"/> + k·<paramref name="strideK"/>: a
    /// transposed A needs no copy.</param>
    /// <param name="strideM">Distance of A's rows.</param>
    /// <param name="strideK">Distance of A's columns.</param>
    /// <param name="b">k × n, row-major.</param>
    /// <param name="start">What each of the m rows starts from; empty means 0.</param>
    /// <param name="c">m × n, row-major; overwritten.</param>
    /// <param name="m">Rows of A and C.</param>
    /// <param name="k">Columns of A, rows of B.</param>
    /// <param name="n">Columns of B and C.</param>
    /// <param name="columns">Those of C that are computed; all if not given. The others are left as they are.</param>
    public void Product(
        ReadOnlySpan<double> a,
        int strideM,
        int strideK,
        ReadOnlySpan<double> b,
        ReadOnlySpan<double> start,
        Span<double> c,
        int m,
        int k,
        int n,
        Range? columns = null
    ) =>
        _ = Product(
            new MatrixView(a, strideM, strideK),
            new MatrixView(b, n, 1),
            start,
            c,
            m,
            k,
            n,
            columns ?? Range.All
        );

    /// <summary>C = A·Bᵀ: A is m × k, B is n × k, both row-major. A gradient's sum over rows.</summary>
    public void ProductOfTransposed(
        ReadOnlySpan<double> a,
        ReadOnlySpan<double> b,
        Span<double> c,
        int m,
        int k,
        int n
    ) => ProductOfTransposed(a, b, c, m, k, n, [], 0);

    /// <summary>C = W + rate·(A·Bᵀ): each sum is complete, and rounded, before it is multiplied.</summary>
    /// <param name="a">m × k, row-major.</param>
    /// <param name="b">n × k, row-major.</param>
    /// <param name="c">m × n, row-major; overwritten.</param>
    /// <param name="m">Rows of A and C.</param>
    /// <param name="k">Columns of A and B.</param>
    /// <param name="n">Rows of B, columns of C.</param>
    /// <param name="w">m × n, row-major, another array than C; empty for C = A·Bᵀ.</param>
    /// <param name="rate">What the sums are multiplied by.</param>
    /// <param name="columns">Those of C that are computed; all if not given. The others are left as they are.</param>
    /// <returns>Whether every result is a finite number; <see langword="true"/> without W.</returns>
    public bool ProductOfTransposed(
        ReadOnlySpan<double> a,
        ReadOnlySpan<double> b,
        Span<double> c,
        int m,
        int k,
        int n,
        ReadOnlySpan<double> w,
        double rate,
        Range? columns = null
    )
    {
        // A single column, a neuron's outgoing gradients, lies in memory as a single row does; as a row it fills the
        // lanes.
        if (n == 1 && m > 1)
            return Product(new MatrixView(b, k, 1), new MatrixView(a, 1, k), [], c, 1, k, m, Range.All, w, rate);
        return Product(new MatrixView(a, k, 1), new MatrixView(b, 1, k), [], c, m, k, n, columns ?? Range.All, w, rate);
    }

    /// <summary>c[m] = Σₖ A[m,k], each sum in index order: A is m × k, row-major. A bias gradient's sum over
    /// rows.</summary>
    /// <remarks>A product with a matrix of ones: 1·a + sum is rounded as a + sum is, and eight sums run side by
    /// side.</remarks>
    public void RowSums(ReadOnlySpan<double> a, Span<double> c, int m, int k) =>
        _ = Product(new MatrixView([1.0], 0, 0), new MatrixView(a, 1, k), [], c, 1, k, m, Range.All);

    /// <summary>y = φ(z), element by element; both may be one array.</summary>
    public abstract void Activate(Activation activation, ReadOnlySpan<double> z, Span<double> y);

    /// <summary>δ = s ⊙ φ′, element by element, in place: s comes in, δ goes out.</summary>
    /// <param name="activation">Which.</param>
    /// <param name="z">The nets; anything where φ′ is computed from y alone.</param>
    /// <param name="y">Their activations.</param>
    /// <param name="delta">s, then δ.</param>
    public abstract void MultiplyByDerivative(
        Activation activation,
        ReadOnlySpan<double> z,
        ReadOnlySpan<double> y,
        Span<double> delta
    );

    /// <summary>y = eˣ, element by element; both may be one array.</summary>
    public abstract void Exp(ReadOnlySpan<double> x, Span<double> y);

    /// <summary>sum += x, element by element.</summary>
    public abstract void Add(ReadOnlySpan<double> x, Span<double> sum);

    /// <summary>w + rate·g, element by element, in place of g.</summary>
    /// <returns>Whether every result is a finite number.</returns>
    public abstract bool Descend(double rate, ReadOnlySpan<double> w, Span<double> g);

    /// <summary>Whether no value is NaN or infinite.</summary>
    public abstract bool AreFinite(ReadOnlySpan<double> values);

    /// <summary>Multiply-adds that wait for nothing but each other: what a core can do at most.</summary>
    /// <param name="rounds">How often each of twelve chains grows by one multiply-add in every lane.</param>
    /// <returns>Multiply-adds that were made.</returns>
    public abstract long MultiplyAdds(int rounds);

    private protected abstract bool Multiply(in Product product);

    private bool Product(
        MatrixView a,
        MatrixView b,
        ReadOnlySpan<double> start,
        Span<double> c,
        int m,
        int k,
        int n,
        Range columns,
        ReadOnlySpan<double> w = default,
        double rate = 0
    )
    {
        var (from, count) = columns.GetOffsetAndLength(n);
        // The kernels read and write by reference, without bounds checks: a wrong shape must stop here, or it would
        // read a stranger's memory.
        if (
            !a.Holds(m, k)
            || b.Length != k * n
            || c.Length != m * n
            || (start.Length != 0 && start.Length != m)
            || (w.Length != 0 && w.Length != c.Length)
        )
            throw new ArgumentException(
                $"shapes do not fit: C {m}×{n} ({c.Length} values) = start ({start.Length}) + A {m}×{k} "
                    + $"({a.Length}) · B {k}×{n} ({b.Length}), on W ({w.Length})"
            );
        return m == 0
            || n == 0
            || Multiply(
                new Product
                {
                    A = a,
                    B = b,
                    Start = start,
                    C = c,
                    M = m,
                    K = k,
                    N = n,
                    From = from,
                    To = from + count,
                    W = w,
                    Rate = rate,
                }
            );
    }
}

/// <summary>C[m,n] = start[m] + Σₖ A[m,k]·B[k,n]: factors, result and shape, already checked.</summary>
internal readonly ref struct Product
{
    public required MatrixView A { get; init; }
    public required MatrixView B { get; init; }

    /// <summary>What each of the m rows starts from; empty means 0.</summary>
    public ReadOnlySpan<double> Start { get; init; }

    /// <summary>m × n, row-major; overwritten.</summary>
    public required Span<double> C { get; init; }

    public required int M { get; init; }
    public required int K { get; init; }
    public required int N { get; init; }

    /// <summary>The first column of C that is computed.</summary>
    public required int From { get; init; }

    /// <summary>The column after the last that is computed.</summary>
    public required int To { get; init; }

    /// <summary>m × n: C becomes W + rate·C at last; empty leaves C as it is.</summary>
    public ReadOnlySpan<double> W { get; init; }

    public double Rate { get; init; }
}
