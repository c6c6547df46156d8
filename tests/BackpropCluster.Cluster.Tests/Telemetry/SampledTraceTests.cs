using BackpropCluster.ClusterTests.Otlp;
using BackpropCluster.ClusterTests.Processes;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.ClusterTests.Telemetry;

/// <summary>Which steps are recorded, and how much of a wide model.</summary>
public sealed class SampledTraceTests : IDisposable
{
    private readonly Backprop backprop = new();

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task OfAThousandStepsExactlyTheChosenTwoPercentHaveATraceAndNoOtherRootExists()
    {
        await using var receiver = await OtlpReceiver.Start();
        var run = await TracedRun.Train(
            backprop,
            receiver.Variables,
            "mazur",
            "cluster.granularity=neuron",
            "training.epochs=1000",
            "trace.first=0",
            "trace.every=50"
        );
        Assert.Equal(1000, run.Result.GetProperty("steps").GetInt32());
        var chosen = Enumerable.Range(1, 20).Select(k => 50L * k).ToList();
        foreach (var spans in (IReadOnlyList<TraceSpan>[])[run.Spans, receiver.Spans])
        {
            Assert.Equal(chosen, spans.Where(s => s.ParentSpanId is null).Select(s => s.Step!.Value).Order());
            // The root, four phases, three spans of each neuron; and after the last step the run is saved.
            Assert.All(
                WholeTrace.Steps(spans),
                trace => Assert.Equal(WholeTrace.Check(trace).Step == 1000 ? 18 : 17, trace.Count)
            );
            Assert.Single(spans, s => s.Name == "save checkpoint");
        }

        WholeTrace.CheckSame(run.Spans, receiver.Spans);
        Assert.Equal(0, QueueOverflow(receiver));
    }

    [Fact]
    public async Task AWideModelKeepsToItsBoundAndEveryNeuronIsCounted() => await TrainWide(hidden: 299, maxSpans: 100);

    /// <summary>The lowest bound that a model of two layers can have, with a pass for each of four rows.</summary>
    [Fact]
    public async Task MicrobatchesAreRolledUpTooWhereTheBoundIsLow()
    {
        var run = await TracedRun.Train(
            backprop,
            [],
            "xor",
            "data.microbatches=4",
            "trace.max_spans=20",
            "training.epochs=2",
            "training.checkpoint_every=1",
            "trace.first=2",
            "cluster.granularity=neuron"
        );
        foreach (var trace in WholeTrace.Steps(run.Spans))
        {
            WholeTrace.Check(trace);
            Assert.InRange(trace.Count, 9, 20);
            var forward = trace.Single(s => s.Name == "forward layer 1 (4 shards in 4 microbatches)");
            Assert.Equal(4 * 4, WholeTrace.Whole(forward, "backprop.rolled_up.count"));
            Assert.Equal(
                forward.SpanId,
                Assert
                    .Single(trace.Single(s => s.Name.StartsWith("backward layer 1", StringComparison.Ordinal)).Links)
                    .SpanId
            );
        }
    }

    [Fact, Trait("length", "long")]
    public async Task FiveThousandNeuronsKeepToTwoThousandSpansAndEveryOneIsCounted()
    {
        RequiresLongTests.Need();
        await TrainWide(hidden: 4999, maxSpans: 2000);
    }

    private async Task TrainWide(int hidden, int maxSpans)
    {
        await using var receiver = await OtlpReceiver.Start();
        var run = await TracedRun.Train(
            backprop,
            receiver.Variables,
            "xor",
            $"model.layers[0].units={hidden}",
            $"trace.max_spans={maxSpans}",
            "training.epochs=2",
            "trace.first=2",
            "cluster.granularity=neuron",
            "cluster.silos=3",
            "cluster.step_deadline=30s"
        );
        Assert.Equal(hidden + 1, run.Result.GetProperty("shards").GetInt32());
        var traces = WholeTrace.Steps(receiver.Spans);
        Assert.Equal([1, 2], traces.Select(t => WholeTrace.Check(t).Step));
        foreach (var trace in traces)
        {
            Assert.InRange(trace.Count, 5, maxSpans);
            foreach (var verb in (string[])["forward ", "backward ", "update "])
                Assert.Equal(
                    hidden + 1,
                    trace
                        .Where(s => s.Name.StartsWith(verb, StringComparison.Ordinal))
                        .Sum(s => s.Find("backprop.rolled_up.count")?.Whole ?? 1)
                );
            var rolled = trace.Single(s => s.Name == $"forward layer 1 ({hidden} shards)");
            Assert.InRange(
                WholeTrace.Whole(rolled, "backprop.rolled_up.min_ns"),
                0,
                WholeTrace.Whole(rolled, "backprop.rolled_up.max_ns")
            );
            Assert.InRange(WholeTrace.Whole(rolled, "backprop.rolled_up.max_ns"), 1, rolled.DurationNano);
        }

        WholeTrace.CheckSame(run.Spans, receiver.Spans);
        var fates = receiver
            .Points.Where(p => p.Name == "backprop.spans")
            .GroupBy(p => p.Label("fate")!)
            .ToDictionary(g => g.Key, g => g.Max(p => p.Value));
        // In each step three spans of every shard, and one of the loss.
        Assert.Equal(2 * ((3 * (hidden + 1)) + 1), fates["kept"] + fates["rolled_up"]);
        Assert.Equal(2 * 3 * hidden, fates["rolled_up"]);
        Assert.Equal(0, QueueOverflow(receiver));
    }

    // OpenTelemetry's own word for spans that came to a full queue.
    private static double QueueOverflow(OtlpReceiver receiver)
    {
        var processed = receiver.Points.Where(p => p.Name == "otel.sdk.processor.span.processed").ToList();
        Assert.NotEmpty(processed);
        return processed.Where(p => p.Label("error.type") == "queue_full").Select(p => p.Value).DefaultIfEmpty(0).Max();
    }
}
