using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>One span of a recorded trace, with the names and units of OpenTelemetry.</summary>
/// <remarks>Ids are lowercase hexadecimal: 32 digits for a trace, 16 for a span. Times are nanoseconds since 1970-01-01
/// UTC. A list that is absent in JSON is empty.</remarks>
public sealed record TraceSpan
{
    public required string TraceId { get; init; }

    public required string SpanId { get; init; }

    /// <summary><see langword="null"/> for a root, whose parent may also be an empty string in JSON.</summary>
    public string? ParentSpanId
    {
        get;
        init => field = value is "" ? null : value;
    }

    public required string Name { get; init; }

    public TraceSpanKind Kind { get; init; } = TraceSpanKind.Internal;

    [JsonPropertyName("startTimeUnixNano"), JsonConverter(typeof(DecimalString<ulong>))]
    public required ulong StartUnixNano { get; init; }

    /// <summary>Never before the start.</summary>
    [JsonPropertyName("endTimeUnixNano"), JsonConverter(typeof(DecimalString<ulong>))]
    public required ulong EndUnixNano { get; init; }

    /// <summary>In the order in which they were recorded; no key twice.</summary>
    public IReadOnlyList<TraceAttribute> Attributes
    {
        get;
        init => field = value ?? [];
    } = [];

    public IReadOnlyList<TraceEvent> Events
    {
        get;
        init => field = value ?? [];
    } = [];

    public IReadOnlyList<TraceLink> Links
    {
        get;
        init => field = value ?? [];
    } = [];

    public TraceStatus Status { get; init; }

    /// <summary>Whose span it is. Set by the reader; the writer is given the resource of a whole line.</summary>
    [JsonIgnore]
    public TraceResource Resource { get; init; } = TraceResource.None;

    /// <summary>Name of the instrumentation scope.</summary>
    [JsonIgnore]
    public string Scope { get; init; } = "BackpropCluster";

    [JsonIgnore]
    public long DurationNano => (long)(EndUnixNano - StartUnixNano);

    /// <summary>Where it happened: the span's own word for it, else its resource's instance.</summary>
    [JsonIgnore]
    public string Silo => Find(TraceWords.Silo)?.Text ?? Resource.Instance;

    /// <summary>The training step that it belongs to.</summary>
    [JsonIgnore]
    public long? Step => Find(TraceWords.Step)?.Whole;

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
[method: JsonConstructor] // or the serializer takes the one without parameters, and misses neither of them
public readonly record struct TraceAttribute(string Key, TraceValue Value)
{
    public static TraceAttribute Of(string key, string value) => new(key, TraceValue.Of(value));

    public static TraceAttribute Of(string key, long value) => new(key, TraceValue.Of(value));

    public static TraceAttribute Of(string key, double value) => new(key, TraceValue.Of(value));
}

/// <summary>Something that happened at one moment within a span.</summary>
public sealed record TraceEvent(
    [property: JsonConverter(typeof(DecimalString<ulong>))] ulong TimeUnixNano,
    string Name,
    IReadOnlyList<TraceAttribute>? Attributes = null
)
{
    public IReadOnlyList<TraceAttribute> Attributes { get; } = Attributes ?? [];
}

/// <summary>Another span that this one came of without being its child: the forward span of a backward one.</summary>
public sealed record TraceLink(string TraceId, string SpanId, IReadOnlyList<TraceAttribute>? Attributes = null)
{
    public IReadOnlyList<TraceAttribute> Attributes { get; } = Attributes ?? [];
}

/// <summary>How a span ended, and why.</summary>
public readonly record struct TraceStatus(string? Message = null, TraceStatusCode Code = TraceStatusCode.Unset);

/// <summary>Who recorded spans: one silo of one process.</summary>
public sealed record TraceResource(IReadOnlyList<TraceAttribute>? Attributes = null)
{
    private const string ServiceKey = "service.name";
    private const string InstanceKey = "service.instance.id";

    public static TraceResource None { get; } = new();

    public IReadOnlyList<TraceAttribute> Attributes { get; } = Attributes ?? [];

    [JsonIgnore]
    public string Service { get; } = TextOf(Attributes, ServiceKey) ?? "backprop";

    /// <summary>The silo's name.</summary>
    [JsonIgnore]
    public string Instance { get; } = TextOf(Attributes, InstanceKey) ?? "";

    public static TraceResource OfSilo(string silo) =>
        new([TraceAttribute.Of(ServiceKey, "backprop"), TraceAttribute.Of(InstanceKey, silo)]);

    public bool Equals(TraceResource? other) => other is not null && Attributes.SequenceEqual(other.Attributes);

    public override int GetHashCode() => HashCode.Combine(Attributes.Count, Instance);

    private static string? TextOf(IReadOnlyList<TraceAttribute>? attributes, string key) =>
        attributes?.FirstOrDefault(a => a.Key == key).Value.Text;
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
public enum TraceStatusCode
{
    Unset = 0,
    Ok = 1,
    Error = 2,
}
