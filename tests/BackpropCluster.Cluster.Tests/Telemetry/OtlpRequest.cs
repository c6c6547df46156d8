using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Tests.Telemetry;

/// <summary>One data point of a metric as it was exported.</summary>
/// <param name="Name">The metric's.</param>
/// <param name="Unit">The metric's.</param>
/// <param name="Instance">The process that measured it.</param>
/// <param name="Labels">Its attributes.</param>
/// <param name="Value">A number, or how often a histogram was told something.</param>
internal sealed record DataPoint(string Name, string Unit, string Instance, IReadOnlyList<TraceAttribute> Labels, double Value)
{
    public string? Label(string key) => Labels.FirstOrDefault(l => l.Key == key) is { Key: not null } found ? found.Value.Text : null;
}

/// <summary>Reads requests of the OpenTelemetry protocol by the field numbers of opentelemetry-proto 1 (trace.proto, metrics.proto, common.proto).</summary>
internal static class OtlpRequest
{
    /// <summary>The spans of an ExportTraceServiceRequest.</summary>
    public static IEnumerable<TraceSpan> Spans(ReadOnlyMemory<byte> request) =>
        from ofResource in Each(request, 1)
        let resource = new TraceResource(Each(ofResource, 1).SelectMany(r => Attributes(r, 1)).ToList())
        from ofScope in Each(ofResource, 2)
        let scope = Each(ofScope, 1).SelectMany(WireField.Of).FirstOrDefault(f => f.Number == 1).Text
        from span in Each(ofScope, 2)
        select Span(span, resource, scope);

    /// <summary>The data points of an ExportMetricsServiceRequest.</summary>
    public static IEnumerable<DataPoint> Metrics(ReadOnlyMemory<byte> request) =>
        from ofResource in Each(request, 1)
        let instance = new TraceResource(Each(ofResource, 1).SelectMany(r => Attributes(r, 1)).ToList()).Instance
        from ofScope in Each(ofResource, 2)
        from metric in Each(ofScope, 2)
        let fields = WireField.Of(metric)
        let name = fields.FirstOrDefault(f => f.Number == 1).Text
        let unit = fields.FirstOrDefault(f => f.Number == 3).Text
        // 5: gauge, 7: sum, 9: histogram; the points of each are its first field.
        from data in fields.Where(f => f.Number is 5 or 7 or 9)
        from point in Each(data.Bytes, 1)
        select Point(point, data.Number == 9, name, unit, instance);

    private static TraceSpan Span(ReadOnlyMemory<byte> message, TraceResource resource, string scope)
    {
        var fields = WireField.Of(message);
        WireField One(int number) => fields.FirstOrDefault(f => f.Number == number);
        Assert.All([10, 12, 14], dropped => Assert.Equal(0UL, One(dropped).Bits));
        return new TraceSpan
        {
            TraceId = One(1).Hex,
            SpanId = One(2).Hex,
            ParentSpanId = One(4).Bytes.IsEmpty ? null : One(4).Hex,
            Name = One(5).Text,
            Kind = (TraceSpanKind)One(6).Bits,
            StartUnixNano = One(7).Bits,
            EndUnixNano = One(8).Bits,
            Attributes = Attributes(message, 9),
            Events = [.. Each(message, 11).Select(Event)],
            Links = [.. Each(message, 13).Select(Link)],
            Status = (TraceStatus)WireField.Of(One(15).Bytes).FirstOrDefault(f => f.Number == 3).Bits,
            Resource = resource,
            Scope = scope,
        };
    }

    private static TraceEvent Event(ReadOnlyMemory<byte> message)
    {
        var fields = WireField.Of(message);
        return new TraceEvent(fields.First(f => f.Number == 1).Bits, fields.First(f => f.Number == 2).Text, Attributes(message, 3));
    }

    private static TraceLink Link(ReadOnlyMemory<byte> message)
    {
        var fields = WireField.Of(message);
        return new TraceLink(fields.First(f => f.Number == 1).Hex, fields.First(f => f.Number == 2).Hex, Attributes(message, 4));
    }

    private static DataPoint Point(ReadOnlyMemory<byte> message, bool isHistogram, string name, string unit, string instance)
    {
        var fields = WireField.Of(message);
        WireField One(int number) => fields.FirstOrDefault(f => f.Number == number);
        // A number is a double (4) or a signed whole one (6); a histogram's count is field 4.
        var value = isHistogram ? One(4).Bits : One(6) is { Number: 6 } whole ? (long)whole.Bits : One(4).Real;
        return new DataPoint(name, unit, instance, Attributes(message, isHistogram ? 9 : 7), value);
    }

    private static IEnumerable<ReadOnlyMemory<byte>> Each(ReadOnlyMemory<byte> message, int number) =>
        WireField.Of(message).Where(f => f.Number == number).Select(f => f.Bytes);

    private static List<TraceAttribute> Attributes(ReadOnlyMemory<byte> owner, int number) =>
        [.. Each(owner, number).Select(WireField.Of).Select(pair => new TraceAttribute(pair.First(f => f.Number == 1).Text, Value(pair.First(f => f.Number == 2).Bytes)))];

    private static TraceValue Value(ReadOnlyMemory<byte> message)
    {
        var value = WireField.Of(message)[0];
        return value.Number switch
        {
            1 => TraceValue.Of(value.Text),
            2 => TraceValue.Of(value.Bits != 0),
            3 => TraceValue.Of((long)value.Bits),
            4 => TraceValue.Of(value.Real),
            5 => TraceValue.Of([.. Each(value.Bytes, 1).Select(Value)]),
            _ => throw new InvalidDataException($"an attribute's value is field {value.Number}"),
        };
    }
}
