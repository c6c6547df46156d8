using BackpropCluster.ClusterTests.Otlp;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.ClusterTests.Telemetry;

/// <summary>What a collector gets of a run that evaluates, is saved and crosses between silos.</summary>
public sealed class MetricTests : IDisposable
{
    private const int StepsAnEpoch = 45;
    private readonly Backprop backprop = new();

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task ARunTellsEveryMetricThatItHasSomethingToSayOf()
    {
        await using var receiver = await OtlpReceiver.Start();
        var run = await TracedRun.Train(
            backprop,
            receiver.Variables,
            "digits",
            "training.epochs=2",
            $"training.checkpoint_every={StepsAnEpoch}",
            "trace.first=1",
            $"trace.every={StepsAnEpoch}",
            "cluster.silos=3"
        );
        var points = receiver.Points;
        MetricNames.CheckLabels(points, run.Run);
        Assert.Equal(Metrics.All.Order(StringComparer.Ordinal), MetricNames.Of(points));
        // Nothing went wrong and no silo came or left: that is told too, or a rate would begin with the first event.
        foreach (
            var silent in (string[])
                [
                    "backprop.messages.stale",
                    "backprop.moves",
                    "backprop.recoveries",
                    "backprop.takeovers",
                    "backprop.steps.replayed",
                ]
        )
            Assert.Equal(0, MetricNames.Last(points, silent));
        MetricNames.CheckValues(points, "backprop.phase.duration", "phase");
        MetricNames.CheckValues(points, "backprop.shard.compute", "phase");
        MetricNames.CheckValues(points, "backprop.loss", "set");

        // 1,797 pictures, a fifth of them held out, in batches of 32: 45 steps an epoch.
        Assert.Equal(2 * StepsAnEpoch, MetricNames.Last(points, "backprop.steps"));
        Assert.Equal(2 * StepsAnEpoch, MetricNames.Last(points, "backprop.step.duration"));
        Assert.Equal(2, MetricNames.Last(points, "backprop.checkpoints", ("outcome", "written")));
        Assert.Equal(2, MetricNames.Last(points, "backprop.phase.duration", ("phase", "evaluate")));
        // Also where the loss is the last thing that the coordinator hears of a step.
        foreach (var phase in (string[])["forward", "backward"])
            Assert.Equal(2 * StepsAnEpoch, MetricNames.Last(points, "backprop.phase.duration", ("phase", phase)));
        Assert.Equal(3, MetricNames.Last(points, "backprop.silos"));
        Assert.Equal(
            run.Result.GetProperty("test").GetProperty("loss").GetDouble(),
            points.Last(p => p.Name == "backprop.loss" && p.Label("set") == "test").Value
        );
        Assert.Equal(
            run.Result.GetProperty("train").GetProperty("loss").GetDouble(),
            points.Last(p => p.Name == "backprop.loss" && p.Label("set") == "train").Value
        );
        CheckTraffic(run, points);
        CheckBoundaries(receiver.Spans);
    }

    // What was collected last, when the silos had stopped, is what the run itself counted.
    private static void CheckTraffic(TracedRun run, IReadOnlyList<DataPoint> points)
    {
        foreach (var reach in (string[])["local", "remote"])
        {
            var last = points
                .Where(p => p.Name == "backprop.messages" && p.Label("reach") == reach)
                .GroupBy(p => p.Label("kind"))
                .Sum(kind => kind.Last().Value);
            Assert.Equal(run.Result.GetProperty("messages").GetProperty(reach).GetDouble(), last);
        }

        Assert.Equal(
            run.Result.GetProperty("messages").GetProperty("remoteBytes").GetDouble(),
            points
                .Where(p => p.Name == "backprop.remote.bytes")
                .GroupBy(p => p.Label("kind"))
                .Sum(kind => kind.Last().Value)
        );
    }

    // The end of an epoch belongs to the trace of the step before it.
    private static void CheckBoundaries(IReadOnlyList<TraceSpan> spans)
    {
        var traces = WholeTrace.Steps(spans);
        Assert.Equal([1, StepsAnEpoch, 2 * StepsAnEpoch], traces.Select(t => WholeTrace.Check(t).Step));
        Assert.DoesNotContain(traces[0], s => s.Name is "evaluate" or "save checkpoint");
        foreach (var trace in traces.Skip(1))
        {
            var (evaluate, save, root) = (
                trace.Single(s => s.Name == "evaluate"),
                trace.Single(s => s.Name == "save checkpoint"),
                trace.Single(s => s.ParentSpanId is null)
            );
            Assert.Equal((root.SpanId, root.SpanId), (evaluate.ParentSpanId, save.ParentSpanId));
            Assert.True(evaluate.EndUnixNano <= save.StartUnixNano, "the run was saved before it was evaluated");
        }
    }
}
