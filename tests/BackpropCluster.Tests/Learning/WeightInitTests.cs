using BackpropCluster.Core.Learning;

namespace BackpropCluster.Tests.Learning;

public class WeightInitTests
{
    // 100 × 80 weights. Variances as their papers give them; the estimate's standard deviation is at most √(2/8000) =
    // 1.6 % of it.
    [Theory]
    [InlineData(WeightInit.HeNormal, 2.0 / 80)]
    [InlineData(WeightInit.HeUniform, 2.0 / 80)]
    [InlineData(WeightInit.GlorotNormal, 2.0 / 180)]
    [InlineData(WeightInit.GlorotUniform, 2.0 / 180)]
    public void TheVarianceIsThePapers(WeightInit init, double variance)
    {
        var w = Weights(init, seed: 5);
        Assert.Equal(0, w.Average(), 5 * Math.Sqrt(variance / w.Length));
        Assert.Equal(variance, w.Average(x => x * x), 0.08 * variance);
    }

    [Theory]
    [InlineData(WeightInit.HeUniform, 0.27386127875258304)] // √(6/80)
    [InlineData(WeightInit.GlorotUniform, 0.18257418583505536)] // √(6/180)
    public void TheUniformOnesStayWithinTheirBounds(WeightInit init, double bound)
    {
        Assert.All(Weights(init, seed: 5), w => Assert.InRange(w, -bound, bound));
        Assert.True(Weights(init, seed: 5).Max() > 0.99 * bound);
    }

    [Fact]
    public void TheSameSeedGivesTheSameWeightsAndAnotherOneOthers()
    {
        Assert.Equal(Weights(WeightInit.HeNormal, seed: 5), Weights(WeightInit.HeNormal, seed: 5));
        Assert.Empty(Weights(WeightInit.HeNormal, seed: 5).Intersect(Weights(WeightInit.HeNormal, seed: 6)));
    }

    [Fact]
    public void BothEndsOfAWeightMakeTheSameNumberHoweverTheLayersAreCut()
    {
        var spec = Runs.Uneven(batch: 5);
        var above = new DenseShard(spec, features: 7, layer: 2, first: 0, units: 11);
        for (var first = 0; first < 13; first += 4)
        {
            var below = new DenseShard(spec, features: 7, layer: 1, first, units: Math.Min(4, 13 - first));
            for (var o = 0; o < 11; o++)
            for (var h = 0; h < below.Units; h++)
                Assert.Equal(above.Weights.Values[o * 13 + first + h], below.Outgoing.Values[o * below.Units + h]);
        }
    }

    // M. Mazur, "A Step by Step Backpropagation Example", 2015.
    [Fact]
    public void TheTutorialsOwnNumbersAreItsOwn()
    {
        double[] w =
        [
            .. from layer in (int[])[1, 2]
            from o in (int[])[0, 1]
            from i in (int[])[0, 1]
            select WeightInit.Mazur.Weight(0, layer, 2, 2, o, i),
        ];
        Assert.Equal([.15, .20, .25, .30, .40, .45, .50, .55], w);
        Assert.Equal([.35, .60], [WeightInit.Mazur.Bias(1), WeightInit.Mazur.Bias(2)]);
        Assert.Equal(0, WeightInit.HeNormal.Bias(1));
    }

    private static double[] Weights(WeightInit init, ulong seed) =>
        [
            .. from o in Enumerable.Range(0, 100)
            from i in Enumerable.Range(0, 80)
            select init.Weight(seed, 1, 100, 80, o, i),
        ];
}
