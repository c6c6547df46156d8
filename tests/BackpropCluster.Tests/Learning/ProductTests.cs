using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Learning.Vectors;
using BackpropCluster.Grains.Actors;
using CsCheck;

namespace BackpropCluster.Tests.Learning;

/// <summary>The product of every register width that this processor has against three plain loops of fused
/// multiply-adds, bit for bit.</summary>
public class ProductTests
{
    private static readonly Gen<int> Size = Gen.Int[0, 20];

    [Fact]
    public void EveryShapeEqualsThePlainLoops() =>
        Gen.Select(Size, Size, Size, Gen.Bool, Gen.Bool)
            .Sample((m, k, n, transposed, starts) => Matches(m, k, n, transposed, starts), iter: 3000);

    // Not left to chance: each size of the last panel and of the rows left over, with an empty sum and without.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(13)]
    public void EveryWidthAndHeightEqualsThePlainLoops(int k)
    {
        for (var m = 0; m <= 20; m++)
        for (var n = 0; n <= 50; n++)
            Assert.True(Matches(m, k, n, transposed: m % 2 == 0, starts: n % 2 == 0), $"{m}×{k} · {k}×{n}");
    }

    [Fact]
    public void EveryWidthThatEveryProcessorHasIsAmongTheTested() =>
        Assert.Superset(new HashSet<int> { 128, 64 }, Kernels.Supported.Select(kernels => kernels.Bits).ToHashSet());

    // More columns than rows of a tile, so that what is beside a NaN in a register, or padded to it, is computed with
    // it.
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(11)]
    public void NaNAndInfinityOfOneColumnStayInIt(int m)
    {
        foreach (var kernels in Kernels.Supported)
        {
            double[] a = [.. Enumerable.Repeat(1.0, 2 * m)],
                b = [double.NaN, 1, double.PositiveInfinity, 1, 1, 1],
                c = new double[3 * m];
            kernels.Product(a, 2, 1, b, [], c, m, 2, 3);
            Assert.Equal(
                Enumerable.Repeat<double[]>([double.NaN, 2, double.PositiveInfinity], m).SelectMany(row => row),
                c
            );
        }
    }

    [Theory]
    [InlineData(5, 6, 0, 6)] // A one short
    [InlineData(6, 5, 0, 6)] // B one short
    [InlineData(6, 7, 0, 6)] // B one long
    [InlineData(6, 6, 1, 6)] // a start for one row of two
    [InlineData(6, 6, 3, 6)] // a start for three rows of two
    [InlineData(6, 6, 2, 3)] // C too short
    [InlineData(6, 6, 2, 5)] // C too long
    public void AWrongShapeIsRefusedWithAllShapesNamed(int a, int b, int start, int c)
    {
        var refusal = Assert.Throws<ArgumentException>(() =>
            Kernels.Current.Product(
                new double[a],
                3,
                1,
                new double[b],
                new double[start],
                new double[c],
                m: 2,
                k: 3,
                n: 2
            )
        );
        Assert.Contains($"A 2×3 ({a})", refusal.Message, StringComparison.Ordinal);
        Assert.Contains($"B 3×2 ({b})", refusal.Message, StringComparison.Ordinal);
    }

    // Deeper than a panel, wider than a panel, and every remainder: the chains go on across panels.
    [Theory]
    [InlineData(8, 256, 16)]
    [InlineData(9, 257, 17)]
    [InlineData(16, 513, 33)]
    [InlineData(23, 784, 31)]
    [InlineData(64, 300, 128)]
    [InlineData(1, 784, 128)]
    [InlineData(7, 600, 9)]
    [InlineData(13, 255, 97)]
    [InlineData(3, 511, 50)]
    public void DeepSumsEqualThePlainLoops(int m, int k, int n)
    {
        Assert.True(Matches(m, k, n, transposed: false, starts: true));
        Assert.True(Matches(m, k, n, transposed: true, starts: false));
        Assert.True(MatchesTransposed(m, k, n));
    }

    /// <summary>Also in what fills no tile, and once only: the next product is finite again.</summary>
    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void AnUpdateThatIsNoNumberIsFoundWhereverItStands(double none)
    {
        foreach (var kernels in Kernels.Supported)
            for (var at = 0; at < 11 * 27; at++)
            {
                var w = new double[11 * 27];
                w[at] = none;
                Assert.False(
                    kernels.ProductOfTransposed(new double[22], new double[54], new double[w.Length], 11, 2, 27, w, -1)
                );
                w[at] = 0;
                Assert.True(
                    kernels.ProductOfTransposed(new double[22], new double[54], new double[w.Length], 11, 2, 27, w, -1)
                );
            }
    }

    [Fact]
    public void SumsOfRowsEqualThePlainLoops()
    {
        for (var m = 0; m <= 50; m++)
        {
            var a = Numbers(m * 300, 1);
            var expected = Enumerable
                .Range(0, m)
                .Select(i => a.Skip(i * 300).Take(300).Aggregate(0.0, (sum, x) => sum + x))
                .ToArray();
            Assert.True(AllEqual(expected, (kernels, c) => kernels.RowSums(a, c, m, 300)), $"{m} rows");
        }
    }

    [Fact]
    public void TheProductWithATurnedFactorEqualsThePlainLoops() =>
        Gen.Select(Size, Size, Size).Sample((m, k, n) => MatchesTransposed(m, k, n), iter: 2000);

    /// <summary>Several cores fill one result side by side, so what the others fill must stay as it is.</summary>
    [Fact]
    public void SomeColumnsEqualTheWholesAndTheOthersAreLeftAlone() =>
        Gen.Select(Size, Size, Gen.Int[0, 60], Gen.Int[0, 60], Gen.Int[0, 60])
            .Where((_, _, first, second, n) => first <= n && second <= n)
            .Sample(
                (m, k, first, second, n) =>
                {
                    var columns = Math.Min(first, second)..Math.Max(first, second);
                    var (a, b, turned) = (Numbers(m * k, 1), Numbers(k * n, 2), Numbers(n * k, 3));
                    var (w, whole, ofTurned) = (Numbers(m * n, 4), new double[m * n], new double[m * n]);
                    Kernels.Current.Product(a, k, 1, b, [], whole, m, k, n);
                    Kernels.Current.ProductOfTransposed(a, turned, ofTurned, m, k, n, w, -0.3);
                    return AllEqual(
                            Only(columns, whole, n),
                            (kernels, c) => kernels.Product(a, k, 1, b, [], c, m, k, n, columns)
                        )
                        && (
                            (n == 1 && m > 1)
                            || AllEqual(
                                Only(columns, ofTurned, n),
                                (kernels, c) => kernels.ProductOfTransposed(a, turned, c, m, k, n, w, -0.3, columns)
                            )
                        );
                },
                iter: 2000
            );

    private static double[] Only(Range columns, double[] whole, int n)
    {
        var (from, count) = columns.GetOffsetAndLength(n);
        return [.. whole.Select((x, i) => i % n >= from && i % n < from + count ? x : double.NaN)];
    }

    private static bool MatchesTransposed(int m, int k, int n)
    {
        var (a, b) = (Numbers(m * k, 1), Numbers(n * k, 2));
        var expected = new double[m * n];
        for (var i = 0; i < m; i++)
        for (var j = 0; j < n; j++)
        for (var l = 0; l < k; l++)
            expected[i * n + j] = Math.FusedMultiplyAdd(a[i * k + l], b[j * k + l], expected[i * n + j]);
        var w = Numbers(m * n, 4);
        var updated = expected.Zip(w, (sum, weight) => Math.FusedMultiplyAdd(-0.3, sum, weight)).ToArray();
        return AllEqual(expected, (kernels, c) => kernels.ProductOfTransposed(a, b, c, m, k, n))
            && AllEqual(updated, (kernels, c) => Assert.True(kernels.ProductOfTransposed(a, b, c, m, k, n, w, -0.3)));
    }

    private static bool Matches(int m, int k, int n, bool transposed, bool starts)
    {
        var (a, b, start) = (Numbers(m * k, 1), Numbers(k * n, 2), starts ? Numbers(m, 3) : []);
        var (strideM, strideK) = transposed ? (1, m) : (k, 1);
        var expected = new double[m * n];
        for (var i = 0; i < m; i++)
        for (var j = 0; j < n; j++)
        {
            var sum = starts ? start[i] : 0;
            for (var l = 0; l < k; l++)
                sum = Math.FusedMultiplyAdd(a[i * strideM + l * strideK], b[l * n + j], sum);
            expected[i * n + j] = sum;
        }

        return AllEqual(expected, (kernels, c) => kernels.Product(a, strideM, strideK, b, start, c, m, k, n));
    }

    private static bool AllEqual(double[] expected, Action<VectorKernels, double[]> product) =>
        Kernels.Supported.All(kernels =>
        {
            var c = Enumerable.Repeat(double.NaN, expected.Length).ToArray();
            product(kernels, c);
            return c.Select(BitConverter.DoubleToInt64Bits)
                .SequenceEqual(expected.Select(BitConverter.DoubleToInt64Bits));
        });

    // Over thirty powers of two, so that regrouping a sum changes its bits.
    private static double[] Numbers(int count, uint group)
    {
        var random = new CounterRandom(1, RandomPurpose.Simulation, group);
        return
        [
            .. Enumerable.Range(0, count).Select(i => Math.ScaleB(random.Normal((ulong)i), random.Below(30, (ulong)i))),
        ];
    }
}
