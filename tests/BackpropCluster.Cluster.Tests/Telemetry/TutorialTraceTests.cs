using System.Text.Json;
using BackpropCluster.ClusterTests.Otlp;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.ClusterTests.Telemetry;

/// <summary>The tutorial, trained once with neuron grains and an eye on its first step.</summary>
public sealed class TutorialRun : IAsyncLifetime
{
    private readonly Backprop backprop = new();

    internal TracedRun Run { get; private set; } = null!;

    internal IReadOnlyList<TraceSpan> Exported { get; private set; } = [];

    internal Backprop Backprop => backprop;

    public async ValueTask InitializeAsync()
    {
        await using var receiver = await OtlpReceiver.Start();
        Run = await TracedRun.Train(
            backprop,
            receiver.Variables,
            "mazur",
            "cluster.granularity=neuron",
            "training.epochs=3",
            "trace.first=1",
            "trace.every=0"
        );
        // The process has ended: what it sent is here.
        Exported = receiver.Spans;
    }

    public ValueTask DisposeAsync()
    {
        backprop.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>A trace reads like the tutorial, in the collector and in the run's folder.</summary>
public sealed class TutorialTraceTests(TutorialRun tutorial) : IClassFixture<TutorialRun>
{
    [Fact]
    public void TheFirstStepIsOneTreeWithTheTutorialsNamesAndNumbers() => WholeTrace.CheckTutorial(tutorial.Exported);

    [Fact]
    public void TheRootTellsWhatTheStepWas()
    {
        var root = tutorial.Exported.Single(s => s.ParentSpanId is null);
        Assert.Equal(
            (tutorial.Run.Run, 1, 1),
            (
                WholeTrace.Text(root, "backprop.run"),
                WholeTrace.Whole(root, "backprop.step"),
                WholeTrace.Whole(root, "backprop.epoch")
            )
        );
        Assert.Equal(
            (1, 1, 0),
            (
                WholeTrace.Whole(root, "backprop.rows"),
                WholeTrace.Whole(root, "backprop.silos"),
                WholeTrace.Whole(root, "backprop.bytes")
            )
        );
        Assert.Equal(
            ("backprop", "BackpropCluster", Environment.MachineName),
            (root.Resource.Service, root.Scope, root.Resource.Instance)
        );
    }

    /// <summary>A neuron of the output layer waits for two arrays of one number, and says which came last.</summary>
    [Fact]
    public void AShardTellsWhatItWaitedFor()
    {
        var output = tutorial.Exported.Single(s => s.Name == "forward o1");
        Assert.Equal(
            (2, 16, 1),
            (
                WholeTrace.Whole(output, "backprop.messages"),
                WholeTrace.Whole(output, "backprop.bytes"),
                WholeTrace.Whole(output, "backprop.rows")
            )
        );
        var waited = Assert.Single(output.Events);
        Assert.Contains(
            waited.Attributes.Single(a => a.Key == "backprop.awaited_last").Value.Text,
            (string[])["h1", "h2"]
        );
        Assert.InRange(
            waited.Attributes.Single(a => a.Key == "backprop.waited_ns").Value.Whole ?? -1,
            0,
            long.MaxValue
        );
    }

    [Fact]
    public void TheRunsFileHoldsTheVerySpansThatTheCollectorGot() =>
        WholeTrace.CheckSame(tutorial.Run.Spans, tutorial.Exported);

    /// <summary>https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding, looked at without the program's own
    /// reader.</summary>
    [Fact]
    public void TheRunsFileIsOtlpJson()
    {
        var spans = File.ReadLines(tutorial.Run.Path)
            .Select(l => JsonElement.Parse(l))
            .SelectMany(l => l.GetProperty("resourceSpans").EnumerateArray())
            .SelectMany(r => r.GetProperty("scopeSpans").EnumerateArray())
            .SelectMany(s => s.GetProperty("spans").EnumerateArray())
            .ToList();
        Assert.Equal(17, spans.Count);
        foreach (var span in spans)
        {
            Assert.Matches("^[0-9a-f]{32}$", span.GetProperty("traceId").GetString());
            Assert.Matches("^[0-9a-f]{16}$", span.GetProperty("spanId").GetString());
            Assert.Matches("^[0-9]{19}$", span.GetProperty("startTimeUnixNano").GetString());
            Assert.Matches("^[0-9]{19}$", span.GetProperty("endTimeUnixNano").GetString());
            Assert.Equal(1, span.GetProperty("kind").GetInt32());
            foreach (
                var attribute in span.GetProperty("attributes")
                    .EnumerateArray()
                    .Where(a => a.GetProperty("value").TryGetProperty("intValue", out _))
            )
                Assert.Equal(JsonValueKind.String, attribute.GetProperty("value").GetProperty("intValue").ValueKind);
        }
    }

    [Fact]
    public async Task ThePerfettoExportNestsWithoutOverlap()
    {
        var ended = await tutorial.Backprop.Run("trace", "export", tutorial.Run.Run, "--to", "perfetto");
        Assert.True(ended.ExitCode == 0, ended.Talk);
        Perfetto.Check(ended.Output, spans: 17);
    }

    [Fact]
    public async Task WithNothingSetNothingIsSentAnywhereAndTheFileIsTheSame()
    {
        using var trap = new Trap();
        using var backprop = new Backprop();
        var run = await TracedRun.Train(
            backprop,
            trap.Variables,
            "mazur",
            "cluster.granularity=neuron",
            "training.epochs=3",
            "trace.first=1",
            "trace.every=0"
        );
        Assert.Equal(
            tutorial.Run.Result.GetProperty("weightsSha256").GetString(),
            run.Result.GetProperty("weightsSha256").GetString()
        );
        WholeTrace.CheckTutorial([.. run.Spans]);
        Assert.False(trap.WasCalled);
    }

    /// <summary>So that the test above can fail: one variable, and the trap is called.</summary>
    [Fact]
    public async Task TheTrapOfThatTestCatchesWhatIsSent()
    {
        using var trap = new Trap();
        using var backprop = new Backprop();
        await TracedRun.Train(
            backprop,
            [
                .. trap.Variables,
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "200"),
            ],
            "mazur",
            "training.epochs=1"
        );
        Assert.True(trap.WasCalled);
    }
}
