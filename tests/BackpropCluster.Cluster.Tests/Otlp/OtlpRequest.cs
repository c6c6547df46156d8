using BackpropCluster.ClusterTests.Dashboards;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.ClusterTests.Otlp;

/// <summary>Reads requests of the OpenTelemetry protocol by the field numbers of opentelemetry-proto 1 (trace.proto,
/// metrics.proto, common.proto).</summary>
internal static class OtlpRequest
{
    private const ulong Cumulative = 2;

    /// <summary>The spans of an ExportTraceServiceRequest.</summary>
    public static IEnumerable<TraceSpan> Spans(WireMessage request) =>
        from ofResource in request.Each(1)
        let resource = Resource(ofResource)
        from ofScope in ofResource.Each(2)
        let scope = ofScope.One(1).Message.One(1).Text
        from span in ofScope.Each(2)
        select Span(span, resource, scope);

    /// <summary>The data points of an ExportMetricsServiceRequest.</summary>
    public static IEnumerable<DataPoint> Metrics(WireMessage request) =>
        from ofResource in request.Each(1)
        let resource = Resource(ofResource)
        from ofScope in ofResource.Each(2)
        from metric in ofScope.Each(2)
        from point in Points(metric, resource)
        select point;

    private static TraceSpan Span(WireMessage span, TraceResource resource, string scope)
    {
        Assert.All([10, 12, 14], dropped => Assert.Equal(0UL, span.One(dropped).Bits));
        return new TraceSpan
        {
            TraceId = span.One(1).Hex,
            SpanId = span.One(2).Hex,
            ParentSpanId = span.One(4).Bytes.IsEmpty ? null : span.One(4).Hex,
            Name = span.One(5).Text,
            Kind = (TraceSpanKind)span.One(6).Bits,
            StartUnixNano = span.One(7).Bits,
            EndUnixNano = span.One(8).Bits,
            Attributes = Attributes(span, 9),
            Events = [.. span.Each(11).Select(e => new TraceEvent(e.OneOf(1).Bits, e.OneOf(2).Text, Attributes(e, 3)))],
            Links = [.. span.Each(13).Select(l => new TraceLink(l.OneOf(1).Hex, l.OneOf(2).Hex, Attributes(l, 4)))],
            Status = new(
                span.One(15).Message.One(2) is { Bytes.IsEmpty: false } message ? message.Text : null,
                (TraceStatusCode)span.One(15).Message.One(3).Bits
            ),
            Resource = resource,
            Scope = scope,
        };
    }

    private static IEnumerable<DataPoint> Points(WireMessage metric, TraceResource resource)
    {
        var (name, field) = (metric.One(1).Text, metric.OneOf(5, 7, 9));
        var data = field.Message;
        var kind = field.Number switch
        {
            5 => MetricKind.Gauge,
            9 => MetricKind.Histogram,
            _ => data.One(3).Bits == 1 ? MetricKind.Counter : MetricKind.UpDownCounter,
        };
        if (kind != MetricKind.Gauge && data.One(2).Bits != Cumulative)
            throw new InvalidDataException($"{name} is not cumulative, and Prometheus would refuse it");
        return data.Each(1).Select(point => kind == MetricKind.Histogram ? Histogram(point) : Number(point));

        DataPoint Number(WireMessage point)
        {
            // A double (4) or a signed whole number (6).
            var value = point.OneOf(4, 6);
            return new DataPoint(
                name,
                metric.One(3).Text,
                kind,
                resource,
                Attributes(point, 7),
                value.Number == 4 ? value.Real : (long)value.Bits
            );
        }

        DataPoint Histogram(WireMessage point)
        {
            var below = 0UL;
            return new DataPoint(name, metric.One(3).Text, kind, resource, Attributes(point, 9), point.OneOf(4).Bits)
            {
                Sum = point.One(5).Real,
                Buckets =
                [
                    .. point
                        .One(7)
                        .Packed<double>()
                        .Append(double.PositiveInfinity)
                        .Zip(point.One(6).Packed<ulong>(), (bound, count) => (bound, below += count)),
                ],
            };
        }
    }

    private static TraceResource Resource(WireMessage owner) => new(Attributes(owner.One(1).Message, 1));

    private static List<TraceAttribute> Attributes(WireMessage owner, int number) =>
        [.. owner.Each(number).Select(pair => new TraceAttribute(pair.OneOf(1).Text, Value(pair.OneOf(2).Message)))];

    private static TraceValue Value(WireMessage message)
    {
        var value = message.OneOf(1, 2, 3, 4, 5);
        return value.Number switch
        {
            1 => TraceValue.Of(value.Text),
            2 => TraceValue.Of(value.Bits != 0),
            3 => TraceValue.Of((long)value.Bits),
            4 => TraceValue.Of(value.Real),
            _ => TraceValue.Of([.. value.Message.Each(1).Select(Value)]),
        };
    }
}
