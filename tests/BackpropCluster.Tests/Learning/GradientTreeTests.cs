using BackpropCluster.Core.Learning;

namespace BackpropCluster.Tests.Learning;

public class GradientTreeTests
{
    // 1 + 2⁻⁵³ rounds back to 1 and 1 + (2⁻⁵³ + 2⁻⁵³) does not, so another shape of the tree has another sum.
    private static readonly double[] Actors =
    [
        1,
        1.1102230246251565e-16,
        1.1102230246251565e-16,
        1.1102230246251565e-16,
        -1,
        0.1,
        0.7,
    ];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(7)]
    public void TheFirstHalfIsTheLargerOneAndIsSummedApart(int parts)
    {
        var p = Actors;
        var expected = parts switch
        {
            1 => p[0],
            2 => p[0] + p[1],
            3 => (p[0] + p[1]) + p[2],
            4 => (p[0] + p[1]) + (p[2] + p[3]),
            5 => ((p[0] + p[1]) + p[2]) + (p[3] + p[4]),
            _ => ((p[0] + p[1]) + (p[2] + p[3])) + ((p[4] + p[5]) + p[6]),
        };
        Assert.Equal([expected, 2.0 * parts], GradientTree.Sum([.. p[..parts].Select(x => new[] { x, 2.0 })]));
    }

    [Fact]
    public void AChainWouldEndInOtherBits() =>
        Assert.NotEqual(
            Actors[..4].Aggregate(0.0, (sum, x) => sum + x),
            GradientTree.Sum([.. Actors[..4].Select(x => new[] { x })])[0]
        );
}
