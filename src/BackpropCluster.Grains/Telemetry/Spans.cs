using System.Diagnostics;
using System.Globalization;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>Makes spans: records for the run's own file and, where somebody exports, the same as activities.</summary>
internal static class Spans
{
    private static readonly ActivitySource Source = new(SourceName);

    /// <summary>Name of the source, for whoever exports.</summary>
    public const string SourceName = "BackpropCluster";

    /// <summary>Begins the root of a trace; it is not made the current activity of whoever calls.</summary>
    public static RootSpan Begin(string name)
    {
        var current = Activity.Current;
        Activity.Current = null;
        var root = Source.CreateActivity(name, ActivityKind.Internal)?.Start();
        Activity.Current = current;
        return new RootSpan(
            name,
            root?.Context
                ?? new ActivityContext(
                    ActivityTraceId.CreateRandom(),
                    ActivitySpanId.CreateRandom(),
                    ActivityTraceFlags.Recorded
                ),
            root
        );
    }

    /// <summary>A span that is over: made, and handed to whoever exports, at once.</summary>
    public static TraceSpan Emit(
        ActivityContext parent,
        string name,
        long start,
        long end,
        IReadOnlyList<TraceAttribute> attributes,
        TraceEvent? what = null,
        string? link = null
    )
    {
        var id = Export(parent, name, start, end, attributes, what, link) ?? ActivitySpanId.CreateRandom();
        return new TraceSpan
        {
            TraceId = parent.TraceId.ToHexString(),
            SpanId = id.ToHexString(),
            ParentSpanId = parent.SpanId.ToHexString(),
            Name = name,
            StartUnixNano = (ulong)start,
            EndUnixNano = (ulong)end,
            Attributes = attributes,
            Events = what is null ? [] : [what],
            Links = link is null ? [] : [new TraceLink(parent.TraceId.ToHexString(), link, [])],
        };
    }

    /// <summary>Ends a root at a time that is past.</summary>
    public static TraceSpan End(RootSpan root, long start, long end, IReadOnlyList<TraceAttribute> attributes)
    {
        if (root.Activity is { } activity)
            Stop(activity, start, end, attributes);
        return new TraceSpan
        {
            TraceId = root.Context.TraceId.ToHexString(),
            SpanId = root.Context.SpanId.ToHexString(),
            Name = root.Name,
            StartUnixNano = (ulong)start,
            EndUnixNano = (ulong)end,
            Attributes = attributes,
        };
    }

    // Nobody listens, nothing is made: an activity costs more than the neuron that it tells of.
    private static ActivitySpanId? Export(
        ActivityContext parent,
        string name,
        long start,
        long end,
        IReadOnlyList<TraceAttribute> attributes,
        TraceEvent? what,
        string? link
    )
    {
        if (!Source.HasListeners())
            return null;
        var current = Activity.Current;
        ActivityLink[]? links = link is null
            ? null
            :
            [
                new ActivityLink(
                    new ActivityContext(
                        parent.TraceId,
                        ActivitySpanId.CreateFromString(link),
                        ActivityTraceFlags.Recorded
                    )
                ),
            ];
        var span = Source.CreateActivity(name, ActivityKind.Internal, parent, links: links);
        if (span is null)
            return null;
        span.SetStartTime(TraceClock.ToDateTime(start)).Start();
        if (what is not null)
            span.AddEvent(
                new ActivityEvent(
                    what.Name,
                    TraceClock.ToDateTime((long)what.TimeUnixNano),
                    [.. what.Attributes.Select(a => KeyValuePair.Create(a.Key, (object?)Boxed(a.Value)))]
                )
            );
        Stop(span, start, end, attributes);
        Activity.Current = current;
        return span.SpanId;
    }

    private static void Stop(Activity span, long start, long end, IReadOnlyList<TraceAttribute> attributes)
    {
        foreach (var attribute in attributes)
            span.SetTag(attribute.Key, Boxed(attribute.Value));
        span.SetStartTime(TraceClock.ToDateTime(start)).SetEndTime(TraceClock.ToDateTime(end));
        var current = Activity.Current;
        span.Stop();
        Activity.Current = current;
    }

    private static object Boxed(TraceValue value) =>
        value switch
        {
            { Text: { } text } => text,
            { Whole: { } whole } => whole,
            { Real: { } real } => real,
            { Truth: { } truth } => truth,
            _ => value.Items!.Select(i => i.Real ?? i.Whole ?? 0).ToArray(),
        };
}

/// <summary>A trace's root that has begun.</summary>
/// <param name="Name">Of the span.</param>
/// <param name="Context">Its ids.</param>
/// <param name="Activity">Where somebody exports.</param>
internal sealed record RootSpan(string Name, ActivityContext Context, Activity? Activity) : IDisposable
{
    /// <summary>The context as message keys carry it.</summary>
    public TraceContext Carried
    {
        get
        {
            var trace = Context.TraceId.ToHexString().AsSpan();
            return new TraceContext(Number(trace[..16]), Number(trace[16..]), Number(Context.SpanId.ToHexString()));
        }
    }

    /// <summary>Gives the trace up: nothing of it is exported.</summary>
    public void Dispose()
    {
        if (Activity is not { } activity)
            return;
        // An activity that is ended is exported, and would stand there as a root without anything below it.
        activity.IsAllDataRequested = false;
        activity.ActivityTraceFlags &= ~ActivityTraceFlags.Recorded;
        var current = System.Diagnostics.Activity.Current;
        activity.Dispose();
        System.Diagnostics.Activity.Current = current;
    }

    private static ulong Number(ReadOnlySpan<char> digits) =>
        ulong.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
