using System.Diagnostics.CodeAnalysis;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>One span of a recorded trace, with the names and units of OpenTelemetry.</summary>
/// <remarks>Ids are lowercase hexadecimal: 32 digits for a trace, 16 for a span. Times are nanoseconds since 1970-01-01
/// UTC.</remarks>
public sealed record TraceSpan
{
    public required string TraceId { get; init; }

    public required string SpanId { get; init; }

    /// <summary><see langword="null"/> for a root.</summary>
    public string? ParentSpanId { get; init; }

    public required string Name { get; init; }

    public TraceSpanKind Kind { get; init; } = TraceSpanKind.Internal;

    public required ulong StartUnixNano { get; init; }

    /// <summary>Never before the start.</summary>
    public required ulong EndUnixNano { get; init; }

    /// <summary>In the order in which they were recorded; no key twice.</summary>
    public IReadOnlyList<TraceAttribute> Attributes { get; init; } = [];

    public IReadOnlyList<TraceEvent> Events { get; init; } = [];

    public IReadOnlyList<TraceLink> Links { get; init; } = [];

    public TraceStatus Status { get; init; }

    /// <summary>Why the status is what it is.</summary>
    public string? StatusMessage { get; init; }

    /// <summary>Whose span it is. Set by the reader; the writer is given the resource of a whole line.</summary>
    public TraceResource Resource { get; init; } = TraceResource.None;

    /// <summary>Name of the instrumentation scope.</summary>
    public string Scope { get; init; } = "BackpropCluster";

    public long DurationNano => (long)(EndUnixNano - StartUnixNano);

    /// <summary>Where it happened: the span's own word for it, else its resource's instance.</summary>
    public string Silo => Find(TraceWords.Silo) is { Kind: TraceValueKind.Text } silo ? silo.Text : Resource.Instance;

    /// <summary>The training step that it belongs to.</summary>
    public long? Step => Find(TraceWords.Step) is { Kind: TraceValueKind.Whole } step ? step.Whole : null;

    /// <summary>An attribute's value, or <see langword="null"/>.</summary>
    public TraceValue? Find(string key)
    {
        foreach (var attribute in Attributes)
            if (attribute.Key == key)
                return attribute.Value;
        return null;
    }
}

[SuppressMessage("Naming", "CA1711", Justification = "OpenTelemetry's own word.")]
public readonly record struct TraceAttribute(string Key, TraceValue Value)
{
    public static TraceAttribute Of(string key, string value) => new(key, TraceValue.Of(value));

    public static TraceAttribute Of(string key, long value) => new(key, TraceValue.Of(value));

    public static TraceAttribute Of(string key, double value) => new(key, TraceValue.Of(value));
}

/// <summary>Something that happened at one moment within a span.</summary>
public sealed record TraceEvent(ulong TimeUnixNano, string Name, IReadOnlyList<TraceAttribute> Attributes);

/// <summary>Another span that this one came of without being its child: the forward span of a backward one.</summary>
public sealed record TraceLink(string TraceId, string SpanId, IReadOnlyList<TraceAttribute> Attributes);

/// <summary>Who recorded spans: one silo of one process.</summary>
public sealed class TraceResource(IReadOnlyList<TraceAttribute> attributes) : IEquatable<TraceResource>
{
    private const string ServiceKey = "service.name";
    private const string InstanceKey = "service.instance.id";

    public static TraceResource None { get; } = new([]);

    public IReadOnlyList<TraceAttribute> Attributes { get; } = attributes;

    public string Service { get; } = TextOf(attributes, ServiceKey) ?? "backprop";

    /// <summary>The silo's name.</summary>
    public string Instance { get; } = TextOf(attributes, InstanceKey) ?? "";

    public static TraceResource OfSilo(string silo) =>
        new([TraceAttribute.Of(ServiceKey, "backprop"), TraceAttribute.Of(InstanceKey, silo)]);

    /// <summary>Attributes other than the service's name.</summary>
    public IEnumerable<TraceAttribute> Others => Attributes.Where(a => a.Key != ServiceKey);

    public bool Equals(TraceResource? other) => other is not null && Attributes.SequenceEqual(other.Attributes);

    public override bool Equals(object? obj) => Equals(obj as TraceResource);

    public override int GetHashCode() => HashCode.Combine(Attributes.Count, Instance);

    private static string? TextOf(IReadOnlyList<TraceAttribute> attributes, string key) =>
        attributes.FirstOrDefault(a => a.Key == key) is { Key: not null, Value.Kind: TraceValueKind.Text } found
            ? found.Value.Text
            : null;
}

/// <summary>OpenTelemetry's numbers, which are not those of <see cref="System.Diagnostics.ActivityKind"/>: there
/// internal is 0, here 1, and so on.</summary>
public enum TraceSpanKind
{
    Unspecified = 0,
    Internal = 1,
    Server = 2,
    Client = 3,
    Producer = 4,
    Consumer = 5,
}

/// <summary>OpenTelemetry's numbers, which are also those of
/// <see cref="System.Diagnostics.ActivityStatusCode"/>.</summary>
public enum TraceStatus
{
    Unset = 0,
    Ok = 1,
    Error = 2,
}
