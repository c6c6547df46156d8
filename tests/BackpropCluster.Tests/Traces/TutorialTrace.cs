using System.Buffers;
using System.Globalization;
using System.Text;
using BackpropCluster.Cli.Traces;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Tests.Traces;

/// <summary>The tutorial's first step with neuron grains on three silos, made by hand: 14 spans in a trace, and an
/// evaluation in another.</summary>
/// <remarks>net, output and delta are the tutorial's printed figures where it prints them. Times are
/// invented.</remarks>
internal static class TutorialTrace
{
    public const string TraceId = "0af7651916cd43dd8448eb211c80319c";
    public const string EvaluationId = "4bf92f3577b34da6a3ce929d0e0e4736";

    /// <summary>2026-11-23 09:00:00 UTC.</summary>
    public const ulong Zero = 1_795_424_400_000_000_000;

    public static TraceSpan Root { get; } =
        Span(
            1,
            0,
            "train step",
            0,
            412_300,
            "silo-1",
            Whole("backprop.rows", 1),
            Whole("backprop.messages", 20),
            Real("backprop.loss", 0.298371109)
        );

    public static IReadOnlyList<TraceSpan> Spans { get; } =
    [
        Root,
        Span(2, 1, "forward", 4_100, 190_000, "silo-1"),
        Neuron(3, 2, "forward h1", 20_500, 61_200, "silo-2", ("net", 0.3775), ("output", 0.593269992)),
        Neuron(4, 2, "forward h2", 20_500, 66_000, "silo-3", ("net", 0.3925), ("output", 0.596884378)),
        Neuron(5, 2, "forward o1", 70_000, 180_400, "silo-1", ("net", 1.105905967), ("output", 0.75136507)) with
        {
            Events =
            [
                new TraceEvent(
                    Zero + 171_900,
                    "last input",
                    [TraceAttribute.Of("backprop.from", "h2"), TraceAttribute.Of("backprop.awaited_ns", 101_900)]
                ),
            ],
        },
        Neuron(6, 2, "forward o2", 71_000, 185_000, "silo-2", ("net", 1.224921404), ("output", 0.772928465)),
        Span(7, 1, "compute loss", 190_000, 214_900, "silo-1", Real("backprop.loss", 0.298371109)),
        Span(8, 1, "backward", 214_900, 390_000, "silo-1"),
        Following(5, Neuron(9, 8, "backward o1", 220_000, 260_000, "silo-1", ("delta", 0.138498562))),
        Following(6, Neuron(10, 8, "backward o2", 231_000, 268_000, "silo-2", ("delta", -0.038098237))),
        Following(3, Neuron(11, 8, "backward h1", 280_000, 370_000, "silo-2", ("delta", 0.008771355))),
        Following(4, Neuron(12, 8, "backward h2", 275_500, 388_000, "silo-3", ("delta", 0.009954255))),
        Span(
            13,
            1,
            "apply update",
            390_000,
            412_300,
            "silo-1",
            Whole("backprop.rolled_up.count", 4),
            Whole("backprop.rolled_up.min_ns", 400),
            Whole("backprop.rolled_up.max_ns", 2_250)
        ),
        Span(14, 13, "apply update (4 shards)", 391_000, 411_000, "silo-1"),
    ];

    public static TraceSpan Evaluation { get; } =
        Span(15, 0, "evaluate", 500_000, 620_000, "silo-1") with
        {
            TraceId = EvaluationId,
        };

    /// <summary>The file's lines as an exporter writes them: one for each silo's batch, the last silo's first, so that
    /// children precede their parents.</summary>
    public static string Lines { get; } = LinesOf(Spans.Append(Evaluation));

    /// <summary>The same step again under other ids.</summary>
    public static IEnumerable<TraceSpan> Again(long step, string traceId) =>
        Spans.Select(s =>
            s with
            {
                TraceId = traceId,
                StartUnixNano = s.StartUnixNano + 1_000_000_000,
                EndUnixNano = s.EndUnixNano + 1_000_000_000,
                Attributes = [.. s.Attributes.Select(a => a.Key == "backprop.step" ? Whole(a.Key, step) : a)],
                Links = [.. s.Links.Select(l => l with { TraceId = traceId })],
            }
        );

    public static string LinesOf(IEnumerable<TraceSpan> spans)
    {
        var lines = new ArrayBufferWriter<byte>();
        foreach (
            var silo in spans.GroupBy(s => s.Resource).OrderByDescending(s => s.Key.Instance, StringComparer.Ordinal)
        )
            OtlpJson.WriteLine(lines, silo.Reverse(), silo.Key);
        return Encoding.UTF8.GetString(lines.WrittenSpan);
    }

    public static string Id(int number) =>
        (0xabcdef0000000000 + (ulong)number).ToString("x16", CultureInfo.InvariantCulture);

    public static TraceSpan Span(
        int id,
        int parent,
        string name,
        ulong start,
        ulong end,
        string silo,
        params TraceAttribute[] attributes
    ) =>
        new()
        {
            TraceId = TraceId,
            SpanId = Id(id),
            ParentSpanId = parent == 0 ? null : Id(parent),
            Name = name,
            StartUnixNano = Zero + start,
            EndUnixNano = Zero + end,
            Attributes =
            [
                TraceAttribute.Of("backprop.run", "mazur-1"),
                Whole("backprop.step", 1),
                Whole("backprop.epoch", 1),
                TraceAttribute.Of("backprop.silo", silo),
                .. attributes,
            ],
            Resource = TraceResource.OfSilo(silo),
        };

    private static TraceSpan Neuron(
        int id,
        int parent,
        string name,
        ulong start,
        ulong end,
        string silo,
        params (string Name, double Value)[] numbers
    ) =>
        Span(
            id,
            parent,
            name,
            start,
            end,
            silo,
            [
                .. numbers.Select(n => Real($"backprop.{n.Name}", n.Value)),
                Whole("backprop.messages", 2),
                Whole("backprop.bytes", 16),
            ]
        );

    private static TraceSpan Following(int forward, TraceSpan backward) =>
        backward with
        {
            Links = [new TraceLink(TraceId, Id(forward), [])],
        };

    private static TraceAttribute Whole(string key, long value) => TraceAttribute.Of(key, value);

    private static TraceAttribute Real(string key, double value) => TraceAttribute.Of(key, value);
}
