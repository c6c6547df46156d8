using System.Text.Json;
using BackpropCluster.Cli.Traces;
using BackpropCluster.Grains.Telemetry;
using CsCheck;

namespace BackpropCluster.Tests.Traces;

/// <summary>Files for ui.perfetto.dev: the Trace Event Format, where slices of one thread may nest but not overlap in
/// part.</summary>
public sealed class PerfettoJsonTests
{
    [Fact]
    public void NoTwoSlicesOfATrackOverlapInPartAndNoneIsMissing() =>
        RandomTrace.Spans.Sample(spans =>
        {
            var events = Events(spans);
            var slices = events.Where(e => Phase(e) == "X").ToList();
            Assert.Equal(spans.Select(s => s.SpanId).Order(), slices.Select(SpanOf).Order());
            foreach (var track in slices.GroupBy(e => (Number(e, "pid"), Number(e, "tid"))))
            {
                var inTrack = track
                    .Select(e => (Id: SpanOf(e), Start: Time(e, "ts"), End: Time(e, "ts") + Time(e, "dur")))
                    .ToList();
                foreach (var (a, b) in from a in inTrack from b in inTrack where a.Id != b.Id select (a, b))
                    Assert.False(a.Start < b.Start && b.Start < a.End && a.End < b.End, $"{a} and {b} overlap in part");
            }
        });

    /// <summary>A slice drawn within another reads as its part.</summary>
    [Fact]
    public void ASliceLiesOnlyWithinItsAncestors() =>
        RandomTrace.Spans.Sample(spans =>
        {
            var byId = TraceTree.Of(spans).ToDictionary(r => r.Span.SpanId);
            foreach (var track in Events(spans).Where(e => Phase(e) == "X").GroupBy(e => Number(e, "tid")))
            {
                var inTrack = track
                    .Select(e => (Row: byId[SpanOf(e)], Start: Time(e, "ts"), End: Time(e, "ts") + Time(e, "dur")))
                    .ToList();
                foreach (var (outer, inner) in from a in inTrack from b in inTrack where a.Row != b.Row select (a, b))
                    if (outer.Start < inner.Start && inner.Start < outer.End)
                        Assert.True(
                            inner.Row.IsWithin(outer.Row),
                            $"{inner.Row.Span.SpanId} is drawn within {outer.Row.Span.SpanId}"
                        );
            }
        });

    [Fact]
    public void EachSiloIsANamedProcessAndEachTrackANamedThreadOfItsOwnNumber() =>
        RandomTrace.Spans.Sample(spans =>
        {
            var events = Events(spans);
            var processes = events
                .Where(e => Text(e, "name") == "process_name")
                .ToDictionary(e => Number(e, "pid"), e => Text(e.GetProperty("args"), "name"));
            var threads = events
                .Where(e => Text(e, "name") == "thread_name")
                .ToDictionary(e => Number(e, "tid"), e => Number(e, "pid"));
            Assert.Equal(spans.Select(s => s.Silo).Distinct().Order(), processes.Values.Order());
            Assert.Empty(processes.Keys.Intersect(threads.Keys));
            foreach (var slice in events.Where(e => Phase(e) == "X"))
            {
                Assert.Equal(Number(slice, "pid"), threads[Number(slice, "tid")]);
                Assert.Equal(spans.Single(s => s.SpanId == SpanOf(slice)).Silo, processes[Number(slice, "pid")]);
            }
        });

    [Fact]
    public void SpansOneAfterAnotherShareATrack()
    {
        var spans = Enumerable
            .Range(0, 5)
            .Select(i => TutorialTrace.Span(i + 1, 0, "train step", (ulong)i * 100, ((ulong)i * 100) + 100, "silo-1"));
        Assert.Single(Events([.. spans]).Where(e => Phase(e) == "X").Select(e => Number(e, "tid")).Distinct());
    }

    [Fact]
    public void AChildThatStartsWithItsParentIsDrawnWithinIt()
    {
        var events = Events([
                TutorialTrace.Span(2, 1, "child", 0, 50, "silo-1"),
                TutorialTrace.Span(1, 0, "parent", 0, 100, "silo-1"),
            ])
            .Where(e => Phase(e) == "X")
            .ToList();
        Assert.Equal(["parent", "child"], events.Select(e => Text(e, "name")));
        Assert.Single(events.Select(e => Number(e, "tid")).Distinct());
    }

    [Fact]
    public void TheTutorialsStepNestsOnItsFirstTrack()
    {
        var events = Events(TutorialTrace.Spans);
        var names = events
            .Where(e => Phase(e) == "X" && Number(e, "pid") == 1 && Number(e, "tid") == 4)
            .Select(e => Text(e, "name"));
        Assert.Equal(
            [
                "train step",
                "forward",
                "forward o1",
                "compute loss",
                "backward",
                "backward o1",
                "apply update",
                "apply update (4 shards)",
            ],
            names
        );
        var forward = events.Single(e => Text(e, "name") == "forward h1");
        Assert.Equal((20.5, 40.7), (forward.GetProperty("ts").GetDouble(), forward.GetProperty("dur").GetDouble()));
        Assert.Equal(0.593269992, forward.GetProperty("args").GetProperty("backprop.output").GetDouble());
        Assert.Equal("last input", Text(events.Single(e => Phase(e) == "i"), "name"));
    }

    [Fact]
    public void EachLinkIsAnArrowFromTheForwardToTheBackwardSlice()
    {
        var events = Events(TutorialTrace.Spans);
        var arrows = events.Index().Where(e => Phase(e.Item) is "s" or "f").ToList();
        Assert.Equal(8, arrows.Count);
        foreach (var arrow in arrows.GroupBy(a => Number(a.Item, "id")))
        {
            // An end belongs to the slice that stands before it.
            var (start, end) = (
                events[arrow.Single(a => Phase(a.Item) == "s").Index - 1],
                events[arrow.Single(a => Phase(a.Item) == "f").Index - 1]
            );
            Assert.Equal(
                Text(start, "name").Replace("forward", "backward", StringComparison.Ordinal),
                Text(end, "name")
            );
            Assert.Equal("e", Text(arrow.Single(a => Phase(a.Item) == "f").Item, "bp"));
        }
    }

    [Fact]
    public void NoArrowPointsBackInTime() =>
        RandomTrace.Spans.Sample(spans =>
        {
            var events = Events(spans);
            foreach (var arrow in events.Where(e => Phase(e) is "s" or "f").GroupBy(e => Number(e, "id")))
                Assert.True(
                    Time(arrow.Single(e => Phase(e) == "s"), "ts") <= Time(arrow.Single(e => Phase(e) == "f"), "ts")
                );
        });

    [Fact]
    public void TwoNanosecondsApartStayApartIn2026()
    {
        var events = Events([
            TutorialTrace.Span(1, 0, "a", 0, 1, "silo-1"),
            TutorialTrace.Span(2, 0, "b", 86_400_000_000_002, 86_400_000_000_004, "silo-1"),
        ]);
        Assert.Equal("86400000000.002", events.Single(e => Text(e, "name") == "b").GetProperty("ts").GetRawText());
        Assert.Equal("0.002", events.Single(e => Text(e, "name") == "b").GetProperty("dur").GetRawText());
    }

    private static List<JsonElement> Events(IReadOnlyList<TraceSpan> spans)
    {
        using var output = new MemoryStream();
        PerfettoJson.Write(output, spans);
        return [.. JsonElement.Parse(output.ToArray()).GetProperty("traceEvents").EnumerateArray()];
    }

    private static string Phase(JsonElement e) => Text(e, "ph");

    private static string SpanOf(JsonElement e) => Text(e.GetProperty("args"), "spanId");

    private static string Text(JsonElement e, string name) => e.GetProperty(name).GetString()!;

    private static int Number(JsonElement e, string name) => e.GetProperty(name).GetInt32();

    private static decimal Time(JsonElement e, string name) => e.GetProperty(name).GetDecimal();
}
