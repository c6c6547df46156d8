using System.Runtime.Intrinsics;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Tests.Learning;

public class ActivationTests
{
    public static TheoryData<Activation> All => [.. Enum.GetValues<Activation>()];

    [Theory]
    [MemberData(nameof(All))]
    public void AnElementsBitsDoNotDependOnWhereInTheArrayItStands(Activation activation)
    {
        var random = new AddressedRandom(3, RandomPurpose.Simulation, 1);
        for (var length = 1; length <= 40; length++)
        {
            var z = Enumerable.Range(0, length).Select(i => 10 * random.Normal((ulong)i)).ToArray();
            var y = new double[length];
            activation.Apply(z, y);
            for (var i = 0; i < length; i++)
                for (var lane = 0; lane < Vector512<double>.Count; lane++)
                    Assert.Equal(Bits(Alone(activation, z[i], lane)), Bits(y[i]));
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
    [InlineData(Activation.Tanh, 0.7, 0.6347395899824586)]       // 1/cosh²(0.7)
    [InlineData(Activation.Logistic, 0.7, 0.2217128732931089)]  // 1/(4·cosh²(0.35))
    public void TheSlopeIsTheDerivative(Activation activation, double z, double slope)
    {
        double[] y = [z];
        activation.Apply(y, y);
        double[] delta = [3];
        activation.MultiplyByDerivative(y, delta);
        Assert.Equal(3 * slope, delta[0], 1e-15);
    }

    private static double Alone(Activation activation, double z, int lane) =>
        activation.Apply(Vector512<double>.Zero.WithElement(lane, z)).GetElement(lane);

    private static long Bits(double x) => BitConverter.DoubleToInt64Bits(x);
}
