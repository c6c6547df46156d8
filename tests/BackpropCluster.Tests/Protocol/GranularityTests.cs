using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

public class GranularityTests
{
    [Theory]
    [InlineData("neuron", 1)]
    [InlineData("layer", int.MaxValue)]
    [InlineData("1", 1)]
    [InlineData("16", 16)]
    public void IsReadFromAWordOrANumberOfUnits(string text, int units)
    {
        Assert.True(Granularity.TryParse(text, out var granularity));
        Assert.Equal(units, granularity.Units);
        Assert.True(Granularity.TryParse(granularity.ToString(), out var again));
        Assert.Equal(granularity, again);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-3")]
    [InlineData("")]
    [InlineData("Neuron")]
    [InlineData("1.5")]
    [InlineData("99999999999")]
    public void AnythingElseIsRefused(string text) => Assert.False(Granularity.TryParse(text, out _));
}
