using BackpropCluster.Core.Learning;

namespace BackpropCluster.Tests.Learning;

/// <summary>The loops over whole arrays, in every register width that this processor has.</summary>
public class VectorKernelsTests
{
    [Fact]
    public void TheUpdateIsOneMultiplyAddAnElement() =>
        OfEveryLength(
            (kernels, g, w) =>
            {
                var expected = g.Zip(w, (gradient, weight) => Math.FusedMultiplyAdd(-0.1, gradient, weight)).ToArray();
                Assert.True(kernels.Descend(-0.1, w, g));
                Assert.Equal(expected, g);
            }
        );

    [Fact]
    public void ASumIsOneAdditionAnElement() =>
        OfEveryLength(
            (kernels, x, sum) =>
            {
                var expected = x.Zip(sum, (a, b) => b + a).ToArray();
                kernels.Add(x, sum);
                Assert.Equal(expected, sum);
            }
        );

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    public void ANumberThatIsNoneIsFoundWhereverItStands(double none) =>
        OfEveryLength(
            (kernels, x, w) =>
            {
                Assert.True(kernels.AreFinite(x));
                for (var i = 0; i < x.Length; i++)
                {
                    double[] broken = [.. x[..i], none, .. x[(i + 1)..]];
                    Assert.False(kernels.AreFinite(broken));
                    Assert.False(kernels.Descend(1, w, broken));
                }
            }
        );

    [Fact]
    public void AWidthThatNoProcessorHasIsNotTaken()
    {
        var before = Kernels.Current;
        Assert.False(Kernels.Use(96));
        Assert.Same(before, Kernels.Current);
    }

    private static void OfEveryLength(Action<Core.Learning.Vectors.VectorKernels, double[], double[]> check)
    {
        var random = new CounterRandom(5, RandomPurpose.Simulation, 1);
        foreach (var kernels in Kernels.Supported)
            for (var length = 0; length <= 30; length++)
                check(
                    kernels,
                    [.. Enumerable.Range(0, length).Select(i => random.Normal((ulong)i))],
                    [.. Enumerable.Range(100, length).Select(i => random.Normal((ulong)i))]
                );
    }
}
