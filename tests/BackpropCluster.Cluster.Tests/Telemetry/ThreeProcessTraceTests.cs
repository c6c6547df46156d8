using System.Text.RegularExpressions;
using BackpropCluster.ClusterTests.Otlp;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.ClusterTests.Telemetry;

/// <summary>A step that three silo processes compute is one tree, and each silo says what it did.</summary>
public sealed partial class ThreeProcessTraceTests(TracedCluster cluster) : IClassFixture<TracedCluster>
{
    [Fact]
    public void EachTracedStepIsOneTreeWithSpansOfEverySilo()
    {
        var traces = WholeTrace.Steps(cluster.Exported);
        Assert.Equal([1, 2], traces.Select(t => WholeTrace.Check(t).Step));
        WholeTrace.CheckTutorial(traces[0]);
        foreach (var trace in traces)
        {
            var shards = trace.Where(s => s.Find("backprop.units") is not null).ToList();
            Assert.Equal(12, shards.Count);
            Assert.Equal(
                TracedCluster.Names,
                shards.Select(s => WholeTrace.Text(s, "backprop.silo")).Distinct().Order()
            );
            Assert.Equal(3, WholeTrace.Whole(trace.Single(s => s.ParentSpanId is null), "backprop.silos"));
            // Whoever leads the run puts its traces together and sends them.
            Assert.Contains(Assert.Single(trace.Select(s => s.Resource.Instance).Distinct()), TracedCluster.Names);
        }
    }

    /// <summary>A shard stands on one silo in all phases and steps.</summary>
    [Fact]
    public void AShardsSpansAreAllOfOneSilo()
    {
        foreach (
            var shard in cluster
                .Exported.Where(s => s.Find("backprop.units") is not null)
                .GroupBy(s => s.Name.Split(' ')[^1])
        )
            Assert.Single(shard.Select(s => WholeTrace.Text(s, "backprop.silo")).Distinct());
    }

    [Fact]
    public void TheClientsFileHoldsTheVerySpansThatTheCollectorGot()
    {
        WholeTrace.CheckSame(cluster.Run.Spans, cluster.Exported);
        Assert.Equal(TracedCluster.Names, cluster.Run.Spans.Select(s => s.Resource.Instance).Distinct().Order());
    }

    [Fact]
    public async Task AClientThatAttachesAgainWritesNoTraceTwice()
    {
        var before = await File.ReadAllTextAsync(cluster.Run.Path, TestContext.Current.CancellationToken);
        var again = (
            await cluster.Backprop.Run("train", "--resume", cluster.Run.Run, "--cluster", cluster.Url, "--json")
        ).Json;
        Assert.Equal(
            cluster.Run.Result.GetProperty("weightsSha256").GetString(),
            again.GetProperty("weightsSha256").GetString()
        );
        Assert.Equal(before, await File.ReadAllTextAsync(cluster.Run.Path, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task EverySiloMeasuresItselfUnderItsOwnName()
    {
        foreach (var silo in TracedCluster.Names)
        {
            await Arrives(silo, "sees three silos", p => p.Name == "backprop.silos" && p.Value == 3);
            // Counted with the run's last step, and sent up to an export interval later.
            await Arrives(
                silo,
                "sent messages to the others",
                p => p.Name == "backprop.messages" && p.Label("reach") == "remote" && p.Value > 0
            );
        }

        MetricNames.CheckLabels(cluster.Receiver.Points, cluster.Run.Run);
    }

    private Task Arrives(string silo, string what, Func<DataPoint, bool> point) =>
        cluster.Receiver.Until(
            () => cluster.Receiver.Points.Any(p => p.Instance == silo && point(p)),
            $"that {silo} {what}"
        );

    [Fact]
    public void ASiloSaysInOneLineEachThatARunIsLedSavedAndCompleted()
    {
        var lines = cluster
            .Silos.SelectMany(s => s.Diagnostics.Split('\n'))
            .Where(l => l.Contains(cluster.Run.Run, StringComparison.Ordinal))
            .ToList();
        Assert.All(lines, line => Assert.Matches(Line(), line));
        foreach (
            var said in new[]
            {
                $"info: .* run {cluster.Run.Run} is led here in term 1, from step 0 on 3 silos$",
                $"info: .* run {cluster.Run.Run} is saved at step 4$",
                $"info: .* run {cluster.Run.Run} is Completed after 4 steps$",
            }
        )
            Assert.Single(lines, line => Regex.IsMatch(line, said));
        // Nothing but logs stands in the way of a script that reads a silo's output.
        Assert.All(cluster.Silos, silo => Assert.Equal("", silo.Output));
    }

    [GeneratedRegex(@"^\d\d:\d\d:\d\d (info|warn): BackpropCluster\.[A-Za-z.]+\[0\] run [a-z0-9-]+ ")]
    private static partial Regex Line();
}
