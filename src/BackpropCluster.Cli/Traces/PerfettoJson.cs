using System.Globalization;
using System.Text.Json;
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
    private const string Category = "backprop";

    public static void Write(Stream output, IReadOnlyList<TraceSpan> spans)
    {
        var zero = spans.Count == 0 ? 0 : spans.Min(s => s.StartUnixNano);
        var flows = Flows(spans);
        using var json = new Utf8JsonWriter(output, OtlpJson.Compact);
        json.WriteStartObject();
        json.WriteString("displayTimeUnit"u8, "ns");
        json.WriteStartObject("otherData"u8);
        json.WriteString("startUnixNano"u8, zero.ToString(CultureInfo.InvariantCulture));
        json.WriteEndObject();
        json.WriteStartArray("traceEvents"u8);
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
        for (var i = 0; i < silos.Count; i++)
        {
            var assigned = Tracks.Assign(silos[i]);
            var tracks = assigned.Max(a => a.Track) + 1;
            Name(json, "process_name", silos[i].Key, i + 1, firstThread);
            for (var track = 0; track < tracks; track++)
                Name(
                    json,
                    "thread_name",
                    string.Create(CultureInfo.InvariantCulture, $"track {track + 1}"),
                    i + 1,
                    firstThread + track
                );
            foreach (var (row, track) in assigned)
                Slice(
                    new Place(json, i + 1, firstThread + track, zero),
                    row.Span,
                    flows[(row.Span.TraceId, row.Span.SpanId)]
                );
            firstThread += tracks;
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>An arrow for each link between two spans that are both written, told to both of them.</summary>
    private static ILookup<(string, string), Flow> Flows(IReadOnlyList<TraceSpan> spans)
    {
        var starts = spans.ToDictionary(s => (s.TraceId, s.SpanId), s => s.StartUnixNano);
        var links = spans
            .SelectMany(s => s.Links.Select(l => (From: (l.TraceId, l.SpanId), To: (s.TraceId, s.SpanId))))
            // An arrow cannot point back in time.
            .Where(l => starts.TryGetValue(l.From, out var start) && start <= starts[l.To]);
        return links
            .Index()
            .SelectMany(l =>
                new[]
                {
                    (Span: l.Item.From, Flow: new Flow(l.Index + 1, "s")),
                    (Span: l.Item.To, Flow: new Flow(l.Index + 1, "f")),
                }
            )
            .ToLookup(end => end.Span, end => end.Flow);
    }

    private static void Name(Utf8JsonWriter json, string what, string name, int process, int thread)
    {
        json.WriteStartObject();
        json.WriteString("name"u8, what);
        json.WriteString("ph"u8, "M");
        json.WriteNumber("pid"u8, process);
        json.WriteNumber("tid"u8, thread);
        json.WriteStartObject("args"u8);
        json.WriteString("name"u8, name);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Slice(Place place, TraceSpan span, IEnumerable<Flow> flows)
    {
        var json = place.Json;
        place.Begin(span.Name, "X", span.StartUnixNano);
        json.WriteNumber("dur"u8, span.DurationNano / NanosecondsPerMicrosecond);
        json.WriteStartObject("args"u8);
        json.WriteString("traceId"u8, span.TraceId);
        json.WriteString("spanId"u8, span.SpanId);
        foreach (var attribute in span.Attributes)
        {
            json.WritePropertyName(attribute.Key);
            PlainJson.Value(json, attribute.Value);
        }

        json.WriteEndObject();
        json.WriteEndObject();
        // Right after the slice: an end of an arrow belongs to the innermost slice that is open when it is read.
        foreach (var flow in flows)
        {
            place.Begin("link", flow.Phase, span.StartUnixNano);
            json.WriteNumber("id"u8, flow.Id);
            if (flow.Phase == "f")
                json.WriteString("bp"u8, "e");
            json.WriteEndObject();
        }

        foreach (var e in span.Events)
        {
            place.Begin(e.Name, "i", e.TimeUnixNano);
            json.WriteString("s"u8, "t");
            json.WritePropertyName("args"u8);
            PlainJson.Object(json, e.Attributes);
            json.WriteEndObject();
        }
    }

    /// <param name="Id">Of the arrow, at both of its ends.</param>
    /// <param name="Phase">s where it starts, f where it finishes.</param>
    private readonly record struct Flow(int Id, string Phase);

    private readonly record struct Place(Utf8JsonWriter Json, int Process, int Thread, ulong Zero)
    {
        /// <summary>Begins an event; the caller ends it.</summary>
        public void Begin(string name, string phase, ulong unixNano)
        {
            Json.WriteStartObject();
            Json.WriteString("name"u8, name);
            Json.WriteString("cat"u8, Category);
            Json.WriteString("ph"u8, phase);
            Json.WriteNumber("pid"u8, Process);
            Json.WriteNumber("tid"u8, Thread);
            Json.WriteNumber("ts"u8, (long)(unixNano - Zero) / NanosecondsPerMicrosecond);
        }
    }
}
