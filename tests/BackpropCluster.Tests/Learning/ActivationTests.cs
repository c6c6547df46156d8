using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Learning.Vectors;

namespace BackpropCluster.Tests.Learning;

public class ActivationTests
{
    public static TheoryData<Activation> All => [.. Enum.GetValues<Activation>()];

    [Theory]
    [MemberData(nameof(All))]
    public void AnElementsBitsDoNotDependOnWhereInTheArrayItStands(Activation activation)
    {
        var random = new CounterRandom(3, RandomPurpose.Simulation, 1);
        for (var length = 1; length <= 40; length++)
        {
            var z = Enumerable.Range(0, length).Select(i => 10 * random.Normal((ulong)i)).ToArray();
            AllWidthsAgree(z, (kernels, x, y) => kernels.Activate(activation, x, y), z => activation.Apply(z));
        }
    }

    /// <summary>Where a function is cut off, turns over or has no number, each at every place of a register.</summary>
    [Theory]
    [MemberData(nameof(All))]
    public void TheEdgesHaveTheSameBitsInEveryRegister(Activation activation)
    {
        double[] edges =
        [
            double.NaN,
            -double.NaN,
            double.PositiveInfinity,
            double.NegativeInfinity,
            0,
            -0.0,
            double.Epsilon,
            -double.Epsilon,
            double.MaxValue,
            double.MinValue,
            709.7,
            709.8,
            710,
            -708.3,
            -708.5,
            -744.9,
            -745.2,
            -746,
            21.9,
            22,
            22.1,
            -22.1,
            0.5,
            -0.5,
            1e-300,
            37,
            -37,
            354.9,
            355.1,
            -354.9,
            -355.1,
        ];
        for (var turn = 0; turn < 8; turn++)
        {
            double[] x = [.. edges[turn..], .. edges[..turn]];
            AllWidthsAgree(x, (kernels, z, y) => kernels.Activate(activation, z, y), z => activation.Apply(z));
            AllWidthsAgree(x, (kernels, z, y) => kernels.Exp(z, y), PortableMath.Exp);
            AllWidthsAgree(
                x,
                (kernels, y, delta) =>
                {
                    Array.Fill(delta, 3);
                    kernels.MultiplyByDerivative(activation, y, y, delta);
                },
                y => 3 * activation.Derivative(y, y)
            );
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void AppliedInPlaceItGivesTheSame(Activation activation)
    {
        var z = Enumerable.Range(0, 21).Select(i => (i - 10) / 3.0).ToArray();
        var y = new double[z.Length];
        activation.Apply(z, y);
        activation.Apply(z, z);
        Assert.Equal(y, z);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void NaNStaysNaN(Activation activation)
    {
        double[] y = [double.NaN, 1, double.NaN];
        activation.Apply(y, y);
        Assert.Equal([true, false, true], y.Select(double.IsNaN));
    }

    [Fact]
    public void ReluCutsAtZero()
    {
        double[] y = [-2, -0.0, 0, 3, double.NegativeInfinity, double.PositiveInfinity];
        Activation.Relu.Apply(y, y);
        Assert.Equal([0, 0, 0, 3, 0, double.PositiveInfinity], y);
    }

    // φ′ from Math's functions at the net, where the rule is written in terms of the activation.
    [Theory]
    [InlineData(Activation.Identity, 0.7, 1)]
    [InlineData(Activation.Relu, 0.7, 1)]
    [InlineData(Activation.Relu, -0.7, 0)]
    [InlineData(Activation.Tanh, 0.7, 0.6347395899824586)] // 1/cosh²(0.7)
    [InlineData(Activation.Logistic, 0.7, 0.2217128732931089)] // 1/(4·cosh²(0.35))
    [InlineData(Activation.Silu, 0.7, 0.8233867834733425)]
    [InlineData(Activation.Silu, -3, -0.08810410601516962)]
    public void TheSlopeIsTheDerivative(Activation activation, double z, double slope)
    {
        double[] y = [z];
        activation.Apply(y, y);
        double[] delta = [3];
        activation.MultiplyByDerivative([z], y, delta);
        Assert.Equal(3 * slope, delta[0], 1e-15);
    }

    private static void AllWidthsAgree(
        double[] x,
        Action<VectorKernels, double[], double[]> compute,
        Func<double, double> alone
    )
    {
        foreach (var kernels in Kernels.Supported)
        {
            var y = new double[x.Length];
            compute(kernels, x, y);
            for (var i = 0; i < x.Length; i++)
                Assert.True(
                    Bits(alone(x[i])) == Bits(y[i]),
                    $"{kernels.Bits} bits, place {i} of {x.Length}: {x[i]:R} gives {y[i]:R}, alone {alone(x[i]):R}"
                );
        }
    }

    // Which of two NaNs a fused multiply-add hands on depends on how it was compiled; a run ends where it meets one.
    private static long Bits(double x) => BitConverter.DoubleToInt64Bits(double.IsNaN(x) ? double.NaN : x);
}
