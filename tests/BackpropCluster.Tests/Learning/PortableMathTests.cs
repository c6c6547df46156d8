using System.Globalization;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Tests.Learning;

/// <summary>Exact's functions against values computed with 400 digits (Oracles/exact.txt says how).</summary>
public class PortableMathTests
{
    [Theory]
    [InlineData("exp", 1)]
    [InlineData("logistic", 2)]
    [InlineData("tanh", 2)]
    [InlineData("log", 2)]
    public void NoValueIsFurtherFromTheTrueOneThanPromised(string function, long doublesAway)
    {
        var points = Points(function);
        Assert.True(points.Count > 100, $"the table holds {points.Count} points of {function}");
        Assert.All(
            points,
            point =>
            {
                var actual = Compute(function, point.X);
                var distance = Math.Abs(Ordinal(actual) - Ordinal(point.Expected));
                Assert.True(
                    distance <= doublesAway,
                    $"{function}({point.X:R}) = {actual:R} is {distance} doubles away from {point.Expected:R}"
                );
            }
        );
    }

    [Theory]
    [InlineData(double.NaN, double.NaN, double.NaN, double.NaN)]
    [InlineData(double.PositiveInfinity, double.PositiveInfinity, 1, 1)]
    [InlineData(double.NegativeInfinity, 0, 0, -1)]
    [InlineData(0.0, 1, 0.5, 0.0)]
    [InlineData(double.MaxValue, double.PositiveInfinity, 1, 1)]
    [InlineData(double.MinValue, 0, 0, -1)]
    [InlineData(double.Epsilon, 1, 0.5, double.Epsilon)]
    [InlineData(-double.Epsilon, 1, 0.5, -double.Epsilon)]
    [InlineData(709.8, double.PositiveInfinity, 1, 1)]
    [InlineData(-745.2, 0, 0, -1)]
    public void TheEdgesAreThoseOfTheLimits(double x, double exp, double logistic, double tanh)
    {
        AssertSameBits(exp, PortableMath.Exp(x));
        AssertSameBits(logistic, PortableMath.Logistic(x));
        AssertSameBits(tanh, PortableMath.Tanh(x));
    }

    [Theory]
    [InlineData(0.0, double.NegativeInfinity)]
    [InlineData(-1.0, double.NaN)]
    [InlineData(double.NaN, double.NaN)]
    [InlineData(double.NegativeInfinity, double.NaN)]
    [InlineData(double.PositiveInfinity, double.PositiveInfinity)]
    [InlineData(1.0, 0.0)]
    public void TheEdgesOfTheLogarithmAreThoseOfTheLimits(double x, double log) =>
        AssertSameBits(log, PortableMath.Log(x));

    [Fact]
    public void ANegativeZeroKeepsItsSignWhereTheFunctionIsOdd()
    {
        AssertSameBits(-0.0, PortableMath.Tanh(-0.0));
        AssertSameBits(1, PortableMath.Exp(-0.0));
        AssertSameBits(0.5, PortableMath.Logistic(-0.0));
        AssertSameBits(double.NegativeInfinity, PortableMath.Log(-0.0));
    }

    [Fact]
    public void TanhNearZeroLosesNoDigits()
    {
        // tanh x = x − x³/3 + …: below 1e-9 the cubic term is under half a unit in the last place, so the result is x
        // itself.
        for (var exponent = -1074; exponent <= -30; exponent++)
            foreach (var m in (double[])[1, 1.25, 1.7])
            {
                var x = Math.ScaleB(m, exponent);
                Assert.True(
                    Math.Abs(Ordinal(PortableMath.Tanh(x)) - Ordinal(x)) <= 2,
                    $"tanh({x:R}) = {PortableMath.Tanh(x):R}"
                );
                AssertSameBits(-PortableMath.Tanh(x), PortableMath.Tanh(-x));
            }
    }

    private static double Compute(string function, double x) =>
        function switch
        {
            "exp" => PortableMath.Exp(x),
            "logistic" => PortableMath.Logistic(x),
            "tanh" => PortableMath.Tanh(x),
            _ => PortableMath.Log(x),
        };

    private static List<(double X, double Expected)> Points(string function)
    {
        using var stream = typeof(PortableMathTests).Assembly.GetManifestResourceStream("exact.txt")!;
        using var text = new StreamReader(stream);
        return
        [
            .. text.ReadToEnd()
                .Split('\n')
                .Select(line => line.Split(' '))
                .Where(fields => fields[0] == function)
                .Select(fields => (Number(fields[1]), Number(fields[2]))),
        ];
    }

    private static double Number(string hexadecimal) =>
        BitConverter.UInt64BitsToDouble(ulong.Parse(hexadecimal, NumberStyles.HexNumber, CultureInfo.InvariantCulture));

    // Doubles in order, numbered: neighbours differ by one, across zero and across powers of two.
    private static long Ordinal(double x)
    {
        var bits = BitConverter.DoubleToInt64Bits(x);
        return bits >= 0 ? bits : long.MinValue - bits;
    }

    private static void AssertSameBits(double expected, double actual)
    {
        if (double.IsNaN(expected))
            Assert.True(double.IsNaN(actual), $"{actual:R} instead of NaN");
        else
            Assert.Equal(BitConverter.DoubleToInt64Bits(expected), BitConverter.DoubleToInt64Bits(actual));
    }
}
