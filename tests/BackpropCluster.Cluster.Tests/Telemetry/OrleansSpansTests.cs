using BackpropCluster.ClusterTests.Otlp;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.ClusterTests.Telemetry;

/// <summary>Orleans' own spans: on demand, below the roots of traced steps, and nowhere else.</summary>
public sealed class OrleansSpansTests : IDisposable
{
    private readonly Backprop backprop = new();

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task OnDemandTheyStandBelowTheRootsOfTracedStepsAndNoOtherRootExists()
    {
        await using var receiver = await OtlpReceiver.Start();
        var run = await TracedRun.Train(backprop, receiver.Variables, "mazur", [.. Sampled, "trace.orleans=true"]);
        CheckSampled(receiver);
        Assert.All(receiver.Spans.GroupBy(s => s.TraceId), trace => Assert.Contains(trace, IsOrleans));
        // Both ends of a call, and calls between silos too.
        Assert.Contains(receiver.Spans, s => IsOrleans(s) && s.Kind == TraceSpanKind.Client);
        Assert.Contains(
            receiver.Spans,
            s =>
                IsOrleans(s)
                && s.Kind == TraceSpanKind.Server
                && s.Name.StartsWith("IActorGrain/Control", StringComparison.Ordinal)
        );
        Assert.Contains(
            receiver.Spans,
            s =>
                IsOrleans(s)
                && s.Kind == TraceSpanKind.Server
                && s.Name.StartsWith("IActorGrain/Backward", StringComparison.Ordinal)
        );
        // What the run's own file tells is told to the collector too, the same.
        WholeTrace.CheckSame(run.Spans, receiver.Spans.Where(s => !IsOrleans(s)));
    }

    [Fact]
    public async Task ThreeProcessesTellTheirsIfTheyWereStartedTo()
    {
        await using var cluster = new TracedCluster($"localhost:{Processes.RedisServer.FreePort()}", "--trace-orleans");
        await cluster.InitializeAsync();
        await cluster.Receiver.Until(
            () =>
                TracedCluster.Names.All(name =>
                    cluster.Receiver.Spans.Any(s => IsOrleans(s) && s.Resource.Instance == name)
                ),
            "spans of each silo's Orleans"
        );
        foreach (var silo in cluster.Silos)
            silo.Signal("TERM");
        foreach (var silo in cluster.Silos)
            await silo.Ends();
        CheckRoots(cluster.Receiver.Spans);
    }

    [Fact]
    public async Task UnaskedForTheyAreNotThere()
    {
        await using var receiver = await OtlpReceiver.Start();
        await TracedRun.Train(backprop, receiver.Variables, "mazur", Sampled);
        CheckSampled(receiver);
        Assert.DoesNotContain(receiver.Spans, IsOrleans);
    }

    [Fact]
    public async Task WithoutACollectorTheUserIsToldThatTheyGoNowhere()
    {
        var trained = await backprop.Run(TracedRun.Arguments("mazur", ["training.epochs=2", "trace.orleans=true"]));
        Assert.Equal(0, trained.ExitCode);
        Assert.Contains("OTEL_EXPORTER_OTLP_ENDPOINT names none", trained.Talk, StringComparison.Ordinal);
    }

    private static string[] Sampled =>
        ["cluster.granularity=neuron", "cluster.silos=3", "training.epochs=200", "trace.first=1", "trace.every=100"];

    private static void CheckSampled(OtlpReceiver receiver)
    {
        CheckRoots(receiver.Spans);
        var ours = WholeTrace.Steps(receiver.Spans.Where(s => !IsOrleans(s)));
        Assert.Equal([1, 100, 200], ours.Select(trace => WholeTrace.Check(trace).Step));
    }

    private static void CheckRoots(IReadOnlyList<TraceSpan> spans)
    {
        var known = spans.Select(s => (s.TraceId, s.SpanId)).ToHashSet();
        Assert.Equal(spans.Count, known.Count);
        Assert.All(
            spans,
            s =>
                Assert.True(
                    s.ParentSpanId is null ? s.Name == "train step" : known.Contains((s.TraceId, s.ParentSpanId)),
                    $"'{s.Name}' of {s.Scope} is {(s.ParentSpanId is null ? "a root" : "an orphan")}"
                )
        );
    }

    private static bool IsOrleans(TraceSpan span) =>
        span.Scope.StartsWith("Microsoft.Orleans", StringComparison.Ordinal);
}
