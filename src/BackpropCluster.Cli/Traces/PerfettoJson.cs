using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Traces;

/// <summary>Writes the Trace Event Format that Perfetto (ui.perfetto.dev) and chrome://tracing open: a process a silo,
/// a thread a track.</summary>
/// <remarks>Times are microseconds with three decimals, counted from the first span of the file: since 1970 they would
/// need more digits than a double has, and viewers read doubles. The first span's own time stands in
/// <c>otherData</c>.</remarks>
internal static class PerfettoJson
{
    private const decimal NanosecondsPerMicrosecond = 1000;

    public static void Write(Stream output, IReadOnlyList<TraceSpan> spans)
    {
        var zero = spans.Count == 0 ? 0 : spans.Min(s => s.StartUnixNano);
        var start = new PerfettoStart(zero.ToString(CultureInfo.InvariantCulture));
        JsonSerializer.Serialize(
            output,
            new PerfettoFile("ns", start, Events(spans, zero)),
            TraceJson.Readable.PerfettoFile
        );
    }

    private static IEnumerable<PerfettoEvent> Events(IReadOnlyList<TraceSpan> spans, ulong zero)
    {
        var flows = Flows(spans);
        List<IGrouping<string, TraceRow>> silos =
        [
            .. spans
                .GroupBy(s => s.TraceId)
                .SelectMany(TraceTree.Of)
                .GroupBy(r => r.Span.Silo)
                .OrderBy(s => s.Key, StringComparer.Ordinal),
        ];
        // Viewers take a thread whose number is its process's for the main one, and some know only one thread of a
        // number: so all numbers differ.
        var firstThread = silos.Count + 1;
        foreach (var (i, silo) in silos.Index())
        {
            var assigned = Tracks.Assign(silo);
            var tracks = assigned.Max(a => a.Track) + 1;
            yield return Named("process_name", silo.Key, i + 1, firstThread);
            for (var track = 0; track < tracks; track++)
                yield return Named("thread_name", $"track {track + 1}", i + 1, firstThread + track);
            foreach (var (row, track) in assigned)
            foreach (var e in EventsOf(row.Span, flows[(row.Span.TraceId, row.Span.SpanId)], zero))
                yield return e with
                {
                    Pid = i + 1,
                    Tid = firstThread + track,
                };
            firstThread += tracks;
        }
    }

    /// <summary>An arrow for each link between two spans that are both written, told to both of them: s where it
    /// starts, f where it finishes.</summary>
    private static ILookup<(string, string), (int Id, string Phase)> Flows(IReadOnlyList<TraceSpan> spans)
    {
        var starts = spans.ToDictionary(s => (s.TraceId, s.SpanId), s => s.StartUnixNano);
        return spans
            .SelectMany(s => s.Links.Select(l => (From: (l.TraceId, l.SpanId), To: (s.TraceId, s.SpanId))))
            // An arrow cannot point back in time.
            .Where(l => starts.TryGetValue(l.From, out var start) && start <= starts[l.To])
            .Index()
            .SelectMany(l =>
                new[] { (Span: l.Item.From, Flow: (l.Index + 1, "s")), (Span: l.Item.To, Flow: (l.Index + 1, "f")) }
            )
            .ToLookup(end => end.Span, end => end.Flow);
    }

    private static PerfettoEvent Named(string what, string name, int process, int thread) =>
        new(what, null, "M")
        {
            Pid = process,
            Tid = thread,
            Args = [TraceAttribute.Of("name", name)],
        };

    private static IEnumerable<PerfettoEvent> EventsOf(
        TraceSpan span,
        IEnumerable<(int Id, string Phase)> flows,
        ulong zero
    )
    {
        yield return At(span.StartUnixNano, span.Name, "X") with
        {
            Dur = span.DurationNano / NanosecondsPerMicrosecond,
            Args =
            [
                TraceAttribute.Of("traceId", span.TraceId),
                TraceAttribute.Of("spanId", span.SpanId),
                .. span.Attributes,
            ],
        };
        // Right after the slice: an end of an arrow belongs to the innermost slice that is open when it is read.
        foreach (var (id, phase) in flows)
            yield return At(span.StartUnixNano, "link", phase) with
            {
                Id = id,
                Bp = phase == "f" ? "e" : null,
            };
        foreach (var e in span.Events)
            yield return At(e.TimeUnixNano, e.Name, "i") with
            {
                S = "t",
                Args = e.Attributes,
            };

        PerfettoEvent At(ulong unixNano, string name, string phase) =>
            new(name, "backprop", phase) { Ts = (long)(unixNano - zero) / NanosecondsPerMicrosecond };
    }
}

internal sealed record PerfettoFile(
    string DisplayTimeUnit,
    PerfettoStart OtherData,
    IEnumerable<PerfettoEvent> TraceEvents
);

internal sealed record PerfettoStart(string StartUnixNano);

/// <summary>One event, with the field names of the format; what an event's phase does not need is left out.</summary>
/// <param name="Name">Of a slice or what happened, or which of the viewer's names is set.</param>
/// <param name="Cat">A category, by which viewers filter.</param>
/// <param name="Ph">The phase: M sets a name, X is a slice, s and f are the ends of an arrow, i is a moment.</param>
internal sealed record PerfettoEvent(string Name, string? Cat, string Ph)
{
    public int Pid { get; init; }

    public int Tid { get; init; }

    public decimal? Ts { get; init; }

    public decimal? Dur { get; init; }

    public int? Id { get; init; }

    public string? Bp { get; init; }

    public string? S { get; init; }

    [JsonConverter(typeof(PlainAttributes))]
    public IReadOnlyList<TraceAttribute>? Args { get; init; }
}
