using System.Buffers;
using System.Text;
using System.Text.Json;
using BackpropCluster.Cli.Traces;
using BackpropCluster.Grains.Telemetry;
using CsCheck;

namespace BackpropCluster.Tests.Traces;

/// <summary>The mapping of https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding, both ways.</summary>
public sealed class OtlpJsonTests
{
    private const string Sample = """
        {"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"backprop"}},{"key":"service.instance.id","value":{"stringValue":"silo-2"}}]},
        "scopeSpans":[{"scope":{"name":"BackpropCluster"},"spans":[
        {"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","parentSpanId":"00f067aa0ba902b7","name":"backward o1","kind":1,
        "startTimeUnixNano":"1795424400000000123","endTimeUnixNano":"18446744073709551615",
        "attributes":[{"key":"backprop.step","value":{"intValue":"-9223372036854775808"}},{"key":"backprop.delta","value":{"doubleValue":0.1}},
        {"key":"nan","value":{"doubleValue":"NaN"}},{"key":"inf","value":{"doubleValue":"-Infinity"}},{"key":"yes","value":{"boolValue":true}},
        {"key":"list","value":{"arrayValue":{"values":[{"intValue":"7"},{"stringValue":"δ \"x\"\n"}]}}}],
        "events":[{"timeUnixNano":"1795424400000000200","name":"last input","attributes":[{"key":"from","value":{"stringValue":"h2"}}]}],
        "links":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"53995c3f42cd8ad8"}],
        "status":{"message":"not a number","code":2}}]}]}]}
        """;

    private static readonly TraceSpan Spoken = new()
    {
        TraceId = "0af7651916cd43dd8448eb211c80319c",
        SpanId = "b7ad6b7169203331",
        ParentSpanId = "00f067aa0ba902b7",
        Name = "backward o1",
        StartUnixNano = 1_795_424_400_000_000_123,
        EndUnixNano = ulong.MaxValue,
        Attributes =
        [
            TraceAttribute.Of("backprop.step", long.MinValue),
            TraceAttribute.Of("backprop.delta", 0.1),
            TraceAttribute.Of("nan", double.NaN),
            TraceAttribute.Of("inf", double.NegativeInfinity),
            new("yes", TraceValue.Of(true)),
            new("list", TraceValue.Of((IReadOnlyList<TraceValue>)[TraceValue.Of(7), TraceValue.Of("δ \"x\"\n")])),
        ],
        Events = [new TraceEvent(1_795_424_400_000_000_200, "last input", [TraceAttribute.Of("from", "h2")])],
        Links = [new TraceLink("0af7651916cd43dd8448eb211c80319c", "53995c3f42cd8ad8", [])],
        Status = new("not a number", TraceStatusCode.Error),
        Resource = TraceResource.OfSilo("silo-2"),
    };

    // Letters of several bytes and characters that JSON escapes.
    private static readonly Gen<string> Texts = Gen.Char["aZ\"\\\n\tδ∂本\u0001"].Array[0, 8].Select(c => new string(c));

    private static readonly Gen<TraceValue> Scalars = Gen.OneOf(
        Texts.Select(TraceValue.Of),
        Gen.Long.Select(TraceValue.Of),
        Gen.Double.Select(TraceValue.Of),
        Gen.Bool.Select(TraceValue.Of),
        Gen.Const(TraceValue.Of(-0.0))
    );

    private static readonly Gen<TraceAttribute[]> Attributes = Gen.OneOf(
            Scalars,
            Scalars.Array[0, 3].Select(v => TraceValue.Of((IReadOnlyList<TraceValue>)v))
        )
        .Array[0, 4]
        .Select(values => values.Select((v, i) => new TraceAttribute($"key-{i}", v)).ToArray());

    [Fact]
    public void TheLineIsTheMappingLetterByLetter() =>
        Assert.Equal(
            Sample.Replace("\r", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal) + "\n",
            Text([Spoken], Spoken.Resource)
        );

    [Fact]
    public void TheMappingIsReadAsItIsWritten() => AssertSame(Spoken, Assert.Single(Read(Sample)));

    [Fact]
    public void WhatHoldsItsDefaultIsLeftOut() =>
        Assert.Equal(
            """{"resourceSpans":[{"resource":{},"scopeSpans":[{"scope":{"name":"BackpropCluster"},"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"evaluate","kind":1,"startTimeUnixNano":"5","endTimeUnixNano":"5"}]}]}]}"""
                + "\n",
            Text(
                [
                    new TraceSpan
                    {
                        TraceId = Spoken.TraceId,
                        SpanId = Spoken.SpanId,
                        Name = "evaluate",
                        StartUnixNano = 5,
                        EndUnixNano = 5,
                    },
                ],
                TraceResource.None
            )
        );

    [Fact]
    public void EverySpanReadsBackAsItWas() =>
        Gen.Select(
                Attributes,
                Attributes,
                Texts,
                Gen.ULong[1, ulong.MaxValue / 2],
                Gen.ULong[0, 1_000_000_000],
                Gen.Int[0, 5],
                Gen.Int[0, 2]
            )
            .Sample(
                (own, others, text, start, duration, kind, status) =>
                {
                    var span = Spoken with
                    {
                        Name = $"name {text}",
                        StartUnixNano = start,
                        EndUnixNano = start + duration,
                        Kind = (TraceSpanKind)kind,
                        Status = new(status == 2 ? text : null, (TraceStatusCode)status),
                        ParentSpanId = kind == 0 ? null : Spoken.ParentSpanId,
                        Attributes = own,
                        Events = [new TraceEvent(start, "e", others), new TraceEvent(start, "f", [])],
                        Links = [new TraceLink(Spoken.TraceId, Spoken.SpanId, others)],
                        Scope = $"scope {text}",
                        Resource = new TraceResource(own),
                    };
                    // Two spans of one scope, then one of another: the second scope must not take the first one's
                    // spans.
                    TraceSpan[] spans =
                    [
                        span,
                        span with
                        {
                            SpanId = TutorialTrace.Id(1),
                        },
                        span with
                        {
                            SpanId = TutorialTrace.Id(2),
                            Scope = "other",
                        },
                    ];
                    var line = Text(spans, span.Resource);
                    Assert.Equal(line.Length - 1, line.IndexOf('\n', StringComparison.Ordinal));
                    var read = Read(line);
                    Assert.Equal(spans.Length, read.Count);
                    for (var i = 0; i < spans.Length; i++)
                        AssertSame(spans[i], read[i]);
                },
                iter: 300
            );

    [Fact]
    public void ADocumentHoldsEverySpanUnderItsOwnResource()
    {
        using var output = new MemoryStream();
        OtlpJson.Document(output, TutorialTrace.Spans);
        Assert.Equal(3, JsonElement.Parse(output.ToArray()).GetProperty("resourceSpans").GetArrayLength());
        Assert.Equal(
            TutorialTrace.Spans.OrderBy(s => s.SpanId).Select(s => (s.SpanId, s.Resource.Instance)),
            OtlpJsonReader.SpansOf(output.ToArray()).OrderBy(s => s.SpanId).Select(s => (s.SpanId, s.Resource.Instance))
        );
    }

    [Fact]
    public void TheTutorialsTraceViolatesNoRule()
    {
        foreach (var line in TutorialTrace.Lines.TrimEnd('\n').Split('\n'))
            Assert.NotEmpty(Read(line));
    }

    [Theory]
    [InlineData(
        "\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"b",
        "\"traceId\":\"0AF7651916CD43DD8448EB211C80319C\",\"spanId\":\"b",
        "spans[0].traceId: got \"0AF7",
        "32 lowercase hexadecimal digits"
    )]
    [InlineData(
        "\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"b",
        "\"traceId\":\"CvdlGRbNQ92ESOshHIAxnA==\",\"spanId\":\"b",
        "spans[0].traceId: got",
        "32 lowercase"
    )]
    [InlineData(
        "\"spanId\":\"b7ad6b7169203331\"",
        "\"spanId\":\"0000000000000000\"",
        "spans[0].spanId",
        "not all zero"
    )]
    [InlineData("\"spanId\":\"b7ad6b7169203331\"", "\"spanId\":\"b7ad6b716920333\"", "spans[0].spanId", "16 lowercase")]
    [InlineData("\"spanId\":\"b7ad6b7169203331\",", "\"span_id\":\"b7ad6b7169203331\",", "spans[0]", "has no spanId")]
    [InlineData(
        "\"parentSpanId\":\"00f067aa0ba902b7\"",
        "\"parentSpanId\":\"b7ad6b7169203331\"",
        "spans[0]",
        "its own parent"
    )]
    [InlineData("\"parentSpanId\":\"00f067aa0ba902b7\"", "\"parentSpanId\":7", "spans[0].parentSpanId", "16 lowercase")]
    [InlineData("\"name\":\"backward o1\"", "\"name\":\"\"", "spans[0].name", "not empty")]
    [InlineData("\"kind\":1", "\"kind\":\"SPAN_KIND_INTERNAL\"", "spans[0].kind", "a number from 0 to 5")]
    [InlineData("\"kind\":1", "\"kind\":6", "spans[0].kind", "a number from 0 to 5")]
    [InlineData("\"code\":2", "\"code\":\"STATUS_CODE_ERROR\"", "spans[0].status.code", "a number from 0 to 2")]
    [InlineData(
        "\"startTimeUnixNano\":\"1795424400000000123\"",
        "\"startTimeUnixNano\":1795424400000000123",
        "spans[0].startTimeUnixNano: got 1795424400000000123",
        "decimal string"
    )]
    [InlineData(
        "\"startTimeUnixNano\":\"1795424400000000123\"",
        "\"startTimeUnixNano\":\"0\"",
        "spans[0].startTimeUnixNano",
        "decimal string"
    )]
    [InlineData(
        "\"endTimeUnixNano\":\"18446744073709551615\"",
        "\"endTimeUnixNano\":\"18446744073709551616\"",
        "spans[0].endTimeUnixNano",
        "decimal string"
    )]
    [InlineData(
        "\"endTimeUnixNano\":\"18446744073709551615\"",
        "\"endTimeUnixNano\":\"1795424400000000100\"",
        "spans[0].endTimeUnixNano",
        "ends 23 ns before it starts"
    )]
    [InlineData(
        "{\"intValue\":\"-9223372036854775808\"}",
        "{\"intValue\":-7}",
        "attributes[0].value.intValue: got -7",
        "intValue: a decimal string"
    )]
    [InlineData(
        "{\"doubleValue\":\"NaN\"}",
        "{\"doubleValue\":\"nan\"}",
        "attributes[2].value.doubleValue",
        "doubleValue: a number"
    )]
    [InlineData(
        "{\"boolValue\":true}",
        "{\"boolValue\":\"true\"}",
        "attributes[4].value.boolValue",
        "boolValue: true or false"
    )]
    [InlineData(
        "{\"boolValue\":true}",
        "{\"boolValue\":true,\"intValue\":\"1\"}",
        "attributes[4].value",
        "an object of one field"
    )]
    [InlineData(
        "{\"intValue\":\"7\"}",
        "{\"intValue\":7}",
        "attributes[5].value.arrayValue.values[0].intValue",
        "a decimal string"
    )]
    [InlineData("\"key\":\"nan\"", "\"key\":\"backprop.delta\"", "attributes[2]", "'backprop.delta' a second time")]
    [InlineData(
        "\"timeUnixNano\":\"1795424400000000200\"",
        "\"timeUnixNano\":2.5",
        "events[0].timeUnixNano",
        "decimal string"
    )]
    [InlineData("\"spanId\":\"53995c3f42cd8ad8\"", "\"spanId\":\"\"", "links[0].spanId", "16 lowercase")]
    [InlineData("\"spans\":[", "\"spans\":[7,", "spans[0]: got 7", "expected an object")]
    [InlineData("\"scope\":{\"name\":\"BackpropCluster\"}", "\"scope\":{}", "scopeSpans[0].scope", "has no name")]
    [InlineData("\"resourceSpans\"", "\"resource_spans\"", "the line", "has no resourceSpans")]
    [InlineData("\"spans\":[", "\"spans\":[null,", "spans[0]: got null", "expected an object")]
    [InlineData("\"links\":[", "\"links\":[null,", "links[0]: got null", "expected an object")]
    [InlineData("{\"boolValue\":true}", "{}", "attributes[4].value: got {}", "an object of one field")]
    [InlineData("{\"boolValue\":true}", "{\"bytesValue\":\"\"}", "attributes[4].value: got {", "one field")]
    [InlineData("\"key\":\"yes\"", "\"key\":null", "attributes[4].key: got null", "not empty")]
    [InlineData("\"key\":\"yes\",", "", "attributes[4]", "has no key")]
    [InlineData("\"key\":\"yes\"", "\"key\":\"yes\",\"key\":7", "attributes[4].key: got 7", "not empty")]
    [InlineData("\"value\":{\"boolValue\":true}", "\"v\":7", "attributes[4]", "has no value")]
    [InlineData("\"timeUnixNano\":\"1795424400000000200\",", "", "events[0]", "has no timeUnixNano")]
    [InlineData(
        "\"timeUnixNano\":\"1795424400000000200\"",
        "\"timeUnixNano\":\"0\"",
        "events[0].timeUnixNano",
        "since"
    )]
    [InlineData("\"name\":\"last input\"", "\"name\":\"\"", "events[0].name", "not empty")]
    [InlineData(",\"spanId\":\"53995c3f42cd8ad8\"", "", "links[0]", "has no spanId")]
    [InlineData("\"message\":\"not a number\"", "\"message\":7", "status.message: got 7", "a string")]
    [InlineData("{\"intValue\":\"7\"}", "{}", "value.arrayValue.values[0]: got {}", "expected")]
    [InlineData("\"events\":[", "\"events\":7,\"e\":[", "spans[0].events: got 7", "an array")]
    public void AViolationIsNamedByItsPath(string whole, string broken, string path, string expected)
    {
        Assert.Contains(whole, OneLine, StringComparison.Ordinal);
        var violation = Assert
            .Throws<OtlpFormatException>(() => Read(OneLine.Replace(whole, broken, StringComparison.Ordinal)))
            .Message;
        Assert.Contains(path, violation, StringComparison.Ordinal);
        Assert.Contains(expected, violation, StringComparison.Ordinal);
    }

    /// <summary>The protocol asks receivers to ignore fields that they do not know.</summary>
    [Fact]
    public void UnknownFieldsAreNoViolation() =>
        AssertSame(
            Spoken,
            Assert.Single(
                Read(
                    OneLine.Replace(
                        "\"kind\":1",
                        "\"kind\":1,\"flags\":257,\"droppedLinksCount\":3",
                        StringComparison.Ordinal
                    )
                )
            )
        );

    /// <summary>A list that is not there is an empty one.</summary>
    [Theory]
    [InlineData("""{"resourceSpans":[]}""")]
    [InlineData("""{"resourceSpans":[{}]}""")]
    [InlineData("""{"resourceSpans":[{"scopeSpans":[{}]}]}""")]
    [InlineData("""{"resourceSpans":[{"resource":{},"scopeSpans":[{"spans":[]}]}]}""")]
    public void ARequestMayHoldNoSpan(string request) => Assert.Empty(Read(request));

    private static string OneLine =>
        Sample.Replace("\r", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal);

    private static string Text(IEnumerable<TraceSpan> spans, TraceResource resource)
    {
        var line = new ArrayBufferWriter<byte>();
        OtlpJson.WriteLine(line, spans, resource);
        return Encoding.UTF8.GetString(line.WrittenSpan);
    }

    private static List<TraceSpan> Read(string line) => OtlpJsonReader.SpansOf(Encoding.UTF8.GetBytes(line));

    private static void AssertSame(TraceSpan expected, TraceSpan actual)
    {
        Assert.Equal(expected.Attributes, actual.Attributes);
        Assert.Equal(
            expected.Events.Select(e => (e.TimeUnixNano, e.Name)),
            actual.Events.Select(e => (e.TimeUnixNano, e.Name))
        );
        Assert.Equal(expected.Events.SelectMany(e => e.Attributes), actual.Events.SelectMany(e => e.Attributes));
        Assert.Equal(
            expected.Links.Select(l => (l.TraceId, l.SpanId)),
            actual.Links.Select(l => (l.TraceId, l.SpanId))
        );
        Assert.Equal(expected.Links.SelectMany(l => l.Attributes), actual.Links.SelectMany(l => l.Attributes));
        Assert.Equal(expected.Resource, actual.Resource);
        Assert.Equal(Bare(expected), Bare(actual));

        // What is left is compared by the record itself, so that a new property cannot be forgotten.
        static TraceSpan Bare(TraceSpan span) =>
            span with
            {
                Attributes = [],
                Events = [],
                Links = [],
                Resource = TraceResource.None,
            };
    }
}
