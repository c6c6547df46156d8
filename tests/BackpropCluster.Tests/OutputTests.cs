using BackpropCluster.Cli.CommandLine;

namespace BackpropCluster.Tests;

/// <summary>Numbers as people read them.</summary>
public sealed class OutputTests
{
    [Theory, InlineData(0.21, "0.2"), InlineData(6.4, "6.4"), InlineData(12.6, "13"), InlineData(17_031.4, "17,031")]
    public void ASlowRunsRateIsNotShownAsNone(double perSecond, string shown) =>
        Assert.Equal(shown, Output.Rate(perSecond));
}
