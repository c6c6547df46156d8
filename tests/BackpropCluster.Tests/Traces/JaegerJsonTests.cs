using System.Text.Json;
using BackpropCluster.Cli.Traces;
using BackpropCluster.Grains.Telemetry;
using CsCheck;

namespace BackpropCluster.Tests.Traces;

/// <summary>Files for Jaeger's search page in the JSON of its own interface.</summary>
public sealed class JaegerJsonTests
{
    [Fact]
    public void EveryReferenceResolvesAndEveryProcessIsListed() =>
        RandomTrace.Spans.Sample(spans =>
        {
            var trace = Assert.Single(Traces(spans));
            var written = trace.GetProperty("spans").EnumerateArray().ToList();
            Assert.Equal(spans.Select(s => s.SpanId).Order(), written.Select(s => Text(s, "spanID")).Order());
            foreach (var span in written)
            {
                var source = spans.Single(s => s.SpanId == Text(span, "spanID"));
                Assert.All(References(span), r => Assert.Contains(spans, s => s.SpanId == r.Span));
                Assert.True(trace.GetProperty("processes").TryGetProperty(Text(span, "processID"), out var process));
                Assert.Equal(source.Resource.Instance, Text(Tag(process, "service.instance.id"), "value"));
                // What cannot be a reference is said.
                var asked = source.Links.Count + (source.ParentSpanId is null ? 0 : 1);
                Assert.Equal(asked, References(span).Count + span.GetProperty("warnings").GetArrayLength());
            }
        });

    [Fact]
    public void EachTraceHasOneRootAndEachOtherSpanItsParentFirst()
    {
        var traces = Traces([.. TutorialTrace.Spans, TutorialTrace.Evaluation]);
        Assert.Equal([TutorialTrace.TraceId, TutorialTrace.EvaluationId], traces.Select(t => Text(t, "traceID")));
        foreach (var trace in traces)
        {
            var roots = trace.GetProperty("spans").EnumerateArray().Where(s => References(s).Count == 0);
            Assert.Contains(Text(Assert.Single(roots), "operationName"), new[] { "train step", "evaluate" });
        }

        // Jaeger takes the first reference for the parent, also one that only follows.
        var backward = Span(traces[0], "backward h1");
        Assert.Equal([("CHILD_OF", TutorialTrace.Id(8)), ("FOLLOWS_FROM", TutorialTrace.Id(3))], References(backward));
    }

    [Fact]
    public void TheFieldsAreThoseOfJaegersInterface()
    {
        var trace = Traces(TutorialTrace.Spans)[0];
        var span = Span(trace, "forward o1");
        Assert.Equal(1_795_424_400_000_070, span.GetProperty("startTime").GetInt64());
        Assert.Equal(110, span.GetProperty("duration").GetInt64());
        Assert.Equal(
            """{"key":"backprop.output","type":"float64","value":0.75136507}""",
            Tag(span, "backprop.output").GetRawText()
        );
        Assert.Equal(
            """{"key":"backprop.messages","type":"int64","value":2}""",
            Tag(span, "backprop.messages").GetRawText()
        );
        Assert.Equal("""{"key":"span.kind","type":"string","value":"internal"}""", Tag(span, "span.kind").GetRawText());
        Assert.Equal(
            """[{"timestamp":1795424400000171,"fields":[{"key":"event","type":"string","value":"last input"},{"key":"backprop.from","type":"string","value":"h2"},{"key":"backprop.awaited_ns","type":"int64","value":101900}]}]""",
            span.GetProperty("logs").GetRawText()
        );
        Assert.Equal(
            """{"serviceName":"backprop","tags":[{"key":"service.instance.id","type":"string","value":"silo-1"}]}""",
            trace.GetProperty("processes").GetProperty("p1").GetRawText()
        );
    }

    /// <summary>Jaeger counts in whole microseconds and drops a child that sticks out of its parent from the critical
    /// path.</summary>
    [Fact]
    public void ASpanWithinItsParentStaysWithinItInMicroseconds() =>
        Gen.Select(Gen.ULong[0, 5_000], Gen.ULong[0, 5_000], Gen.ULong[0, 5_000], Gen.ULong[0, 5_000])
            .Sample(
                (a, b, c, d) =>
                {
                    ulong[] times = [a, b, c, d];
                    Array.Sort(times);
                    var trace = Traces([
                        TutorialTrace.Span(1, 0, "parent", times[0], times[3], "silo-1"),
                        TutorialTrace.Span(2, 1, "child", times[1], times[2], "silo-1"),
                    ])[0];
                    var ((parentStart, parentEnd), (start, end)) = (
                        Interval(trace, "parent"),
                        Interval(trace, "child")
                    );
                    return parentStart <= start && end <= parentEnd;
                }
            );

    [Fact]
    public void WhatJsonHasNoNumberForIsText()
    {
        var span = TutorialTrace.Span(
            1,
            0,
            "a",
            0,
            1,
            "silo-1",
            TraceAttribute.Of("loss", double.NaN),
            new TraceAttribute("net", TraceValue.Of([TraceValue.Of(1.5), TraceValue.Of("x")]))
        ) with
        {
            Status = TraceStatus.Error,
            StatusMessage = "no number",
        };
        var written = Span(Traces([span])[0], "a");
        Assert.Equal("""{"key":"loss","type":"string","value":"NaN"}""", Tag(written, "loss").GetRawText());
        Assert.Equal("[1.5,\"x\"]", Text(Tag(written, "net"), "value"));
        Assert.Equal("""{"key":"error","type":"bool","value":true}""", Tag(written, "error").GetRawText());
    }

    private static List<JsonElement> Traces(IReadOnlyList<TraceSpan> spans)
    {
        using var output = new MemoryStream();
        JaegerJson.Write(output, spans);
        return [.. JsonElement.Parse(output.ToArray()).GetProperty("data").EnumerateArray()];
    }

    private static JsonElement Span(JsonElement trace, string name) =>
        trace.GetProperty("spans").EnumerateArray().Single(s => Text(s, "operationName") == name);

    private static JsonElement Tag(JsonElement owner, string key) =>
        owner.GetProperty("tags").EnumerateArray().Single(t => Text(t, "key") == key);

    private static List<(string Type, string Span)> References(JsonElement span) =>
        [.. span.GetProperty("references").EnumerateArray().Select(r => (Text(r, "refType"), Text(r, "spanID")))];

    private static (long Start, long End) Interval(JsonElement trace, string name)
    {
        var span = Span(trace, name);
        return (
            span.GetProperty("startTime").GetInt64(),
            span.GetProperty("startTime").GetInt64() + span.GetProperty("duration").GetInt64()
        );
    }

    private static string Text(JsonElement owner, string name) => owner.GetProperty(name).GetString()!;
}
