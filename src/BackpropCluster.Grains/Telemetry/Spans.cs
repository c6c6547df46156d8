using System.Diagnostics;
using System.Globalization;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>Makes spans: activities that whoever listens exports, and the same as records for the run's own file.</summary>
internal static class Spans
{
    private static readonly ActivitySource Source = new(SourceName);

    // Without a listener no activity is made at all, and the file would stay empty where nothing is exported.
    private static readonly ActivityListener Listener = new()
    {
        ShouldListenTo = source => source.Name == SourceName,
        Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
    };

    static Spans() => ActivitySource.AddActivityListener(Listener);

    /// <summary>Name of the source, for whoever exports.</summary>
    public const string SourceName = "BackpropCluster";

    /// <summary>Begins the root of a trace; it is not made the current activity of whoever calls.</summary>
    public static Activity BeginRoot(string name)
    {
        var current = Activity.Current;
        Activity.Current = null;
        var root = Source.CreateActivity(name, ActivityKind.Internal)!.Start();
        Activity.Current = current;
        return root;
    }

    /// <summary>A span that is over: made, and handed to whoever exports, at once.</summary>
    public static TraceSpan Emit(ActivityContext parent, string name, long start, long end, IReadOnlyList<TraceAttribute> attributes, TraceEvent? what = null, ActivityContext? link = null)
    {
        var current = Activity.Current;
        var span = Source.CreateActivity(name, ActivityKind.Internal, parent, links: link is { } to ? [new ActivityLink(to)] : null)!;
        span.SetStartTime(TraceClock.ToDateTime(start)).Start();
        if (what is not null) span.AddEvent(new ActivityEvent(what.Name, TraceClock.ToDateTime((long)what.TimeUnixNano), [.. what.Attributes.Select(a => KeyValuePair.Create(a.Key, (object?)Boxed(a.Value)))]));
        var record = End(span, start, end, attributes) with
        {
            ParentSpanId = parent.SpanId.ToHexString(),
            Events = what is null ? [] : [what],
            Links = link is { } known ? [new TraceLink(known.TraceId.ToHexString(), known.SpanId.ToHexString(), [])] : [],
        };
        Activity.Current = current;
        return record;
    }

    /// <summary>Ends an activity at a time that is past.</summary>
    public static TraceSpan End(Activity span, long start, long end, IReadOnlyList<TraceAttribute> attributes)
    {
        foreach (var attribute in attributes) span.SetTag(attribute.Key, Boxed(attribute.Value));
        span.SetStartTime(TraceClock.ToDateTime(start)).SetEndTime(TraceClock.ToDateTime(end));
        var current = Activity.Current;
        span.Stop();
        Activity.Current = current;
        return new TraceSpan
        {
            TraceId = span.TraceId.ToHexString(),
            SpanId = span.SpanId.ToHexString(),
            Name = span.DisplayName,
            StartUnixNano = (ulong)start,
            EndUnixNano = (ulong)end,
            Attributes = attributes,
        };
    }

    /// <summary>A trace context as message keys carry it.</summary>
    public static Core.Protocol.TraceContext Carried(Activity root) => new(
        ulong.Parse(root.TraceId.ToHexString().AsSpan(0, 16), NumberStyles.HexNumber, CultureInfo.InvariantCulture),
        ulong.Parse(root.TraceId.ToHexString().AsSpan(16), NumberStyles.HexNumber, CultureInfo.InvariantCulture),
        ulong.Parse(root.SpanId.ToHexString(), NumberStyles.HexNumber, CultureInfo.InvariantCulture));

    private static object Boxed(TraceValue value) => value.Kind switch
    {
        TraceValueKind.Text => value.Text,
        TraceValueKind.Whole => value.Whole,
        TraceValueKind.Real => value.Real,
        TraceValueKind.Truth => value.Truth,
        _ => value.Items.Select(i => i.Kind == TraceValueKind.Real ? i.Real : i.Whole).ToArray(),
    };
}
