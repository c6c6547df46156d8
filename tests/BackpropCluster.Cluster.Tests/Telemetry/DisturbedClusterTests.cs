using System.Text.RegularExpressions;
using BackpropCluster.ClusterTests.Processes;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.ClusterTests.Telemetry;

/// <summary>What a collector and the silos' logs tell of a run that a silo joins and another one is killed
/// in.</summary>
public sealed class DisturbedClusterTests
{
    [Fact, Trait("length", "long")]
    public async Task AfterALostCoordinatorTheFirstStepTellsOfTheNewOne()
    {
        RequiresLongTests.Need();
        RedisServer.Need();
        await using var redis = await RedisServer.Start();
        await using var cluster = new TracedCluster(redis.Url());
        await cluster.InitializeAsync();
        Assert.All(cluster.Receiver.Points.Where(p => p.Name == "backprop.takeovers"), p => Assert.Equal(0, p.Value));
        ProcessRuns.Write(cluster.Backprop.Folder);
        await using var client = Child.Backprop(
            cluster.Backprop.Folder,
            "train",
            "seven.yaml",
            "--cluster",
            cluster.Url,
            "--set",
            "training.epochs=1000000",
            "--set",
            "training.checkpoint_every=500",
            "--set",
            "training.log_every=100",
            "--set",
            "trace.first=0",
            "--set",
            "trace.every=0"
        );
        await client.Says("step 1,000/");
        var leader = cluster.Silos.Single(s =>
            Regex.Count(s.Diagnostics, "is led here")
            > (s.Diagnostics.Contains(cluster.Run.Run, StringComparison.Ordinal) ? 1 : 0)
        );
        await leader.Kill();
        await cluster.Receiver.Until(
            () => cluster.Receiver.Points.Any(p => p.Name == "backprop.takeovers" && p.Value == 1),
            "one takeover"
        );
        // The root is ended last, and may come with the next batch of spans.
        await cluster.Receiver.Until(
            () => Takeover() is { } trace && trace.Any(s => s.ParentSpanId is null),
            "a whole trace with the takeover"
        );
        WholeTrace.Check([.. Takeover()!]);

        IGrouping<string, TraceSpan>? Takeover() =>
            cluster.Receiver.Spans.GroupBy(s => s.TraceId).SingleOrDefault(t => t.Any(s => s.Name == "take over"));
    }

    [Fact, Trait("length", "long")]
    public async Task EveryMetricArrivesAndTheLeaderSaysWhatHappened()
    {
        RequiresLongTests.Need();
        await using var cluster = new TracedCluster();
        await cluster.InitializeAsync();
        ProcessRuns.Write(cluster.Backprop.Folder);
        await using var client = Child.Backprop(
            cluster.Backprop.Folder,
            $"train seven.yaml --cluster {cluster.Url} --set training.epochs=1000000 --set training.log_every=100"
                .Split(' ')
                .Concat("--set training.checkpoint_every=500 --set trace.first=0".Split(' '))
        );
        await client.Says("step 100/");
        var receiver = cluster.Receiver;
        var run = cluster
            .Silos.SelectMany(s => Regex.Matches(s.Diagnostics, "run ([a-z0-9-]+) is led here"))
            .Select(m => m.Groups[1].Value)
            .Single(r => r != cluster.Run.Run);
        var leader = cluster.Silos.Single(s =>
            s.Diagnostics.Contains($"run {run} is led here", StringComparison.Ordinal)
        );

        await using var fourth = await cluster.StartSilo("fourth");
        await Arrives("backprop.moves");
        await receiver.Until(() => Disturbed("change placement"), "a trace with the move");

        // Not the first: without a store it keeps the members.
        await cluster.Silos.First(s => s != leader && s != cluster.Silos[0]).Kill();
        await Arrives("backprop.recoveries");
        await Arrives("backprop.steps.replayed");
        await receiver.Until(() => Disturbed("recover"), "a trace with the recovery");

        Assert.Empty(Metrics.All.Except(MetricNames.Of(receiver.Points)));
        MetricNames.CheckLabels(receiver.Points, run);
        Says($@"info: \S+\[0\] run {run} moves its actors at step \d+: silos came or left$");
        Says($@"warn: \S+\[0\] run {run} recovers from step \d+, in a term above \d+: \S+ lost$");
        Assert.Equal(3, Regex.Count(leader.Diagnostics, $"run {run} is led here in term"));

        // One line an event. Of others only what Orleans calls an error.
        Assert.All(
            leader.Diagnostics.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1),
            line =>
                Assert.Matches(
                    @"^\d\d:\d\d:\d\d ((info|warn): BackpropCluster\.\S+\[0\] run [a-z0-9-]+ |fail: Orleans\.)",
                    line
                )
        );

        void Says(string line) =>
            Assert.True(
                Regex.IsMatch(leader.Diagnostics, $@"(?m)^\S+ {line}"),
                $"no line of '{line}' in: {leader.Diagnostics}"
            );

        Task Arrives(string name) =>
            receiver.Until(() => receiver.Points.Any(p => p.Name == name && p.Value > 0), $"{name} above 0");

        bool Disturbed(string what) =>
            receiver
                .Spans.GroupBy(s => s.TraceId)
                .Any(t =>
                    t.Any(s => s.Name == what)
                    && t.Any(s => s.ParentSpanId is null)
                    && WholeTrace.Check([.. t]).Find("backprop.run")?.Text == run
                );
    }
}
