namespace BackpropCluster.Tests.Dashboards;

/// <summary>No name of a query is overlooked; else a dashboard could ask for what nobody measures.</summary>
public sealed class PromQlTests
{
    [Theory]
    [InlineData("up", "up")]
    [InlineData("sum(rate(a_total[5m])) / on (job) group_left sum by (le, job) (b)", "a_total b")]
    [InlineData("histogram_quantile(0.95, sum by (le) (rate(a_bucket{x=\"y\"}[$__rate_interval])))", "a_bucket")]
    [InlineData("sum(a) or vector(0)", "a")]
    [InlineData("max by (x) (a) and b unless c offset 5m > bool 1e3", "a b c")]
    [InlineData("count(a{name=\"not_a_metric[5m] {\\\"nor_this\\\"}\"})", "a")]
    public void EverySeriesIsNamed(string query, string expected) =>
        Assert.Equal(expected.Split(' '), PromQl.Read(query).Selectors.Select(s => s.Series));

    [Fact]
    public void LabelsAreThoseAskedForAndThoseKept()
    {
        var query = PromQl.Read(
            "sum by (kind, le) (rate(a{instance=~\"$instance\", reach!=\"x\"}[1m])) / sum by (kind) (b)"
        );
        Assert.Equal(["instance", "reach"], query.Selectors[0].Labels);
        Assert.Empty(query.Selectors[1].Labels);
        Assert.Equal(["kind", "le", "kind"], query.Groupings);
    }

    [Fact]
    public void WhatKeepsUnnamedLabelsIsRefused() =>
        Assert.Throws<FormatException>(() => PromQl.Read("sum without (x) (a)"));
}
