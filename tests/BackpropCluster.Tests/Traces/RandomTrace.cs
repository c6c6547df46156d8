using BackpropCluster.Cli.Traces;
using BackpropCluster.Grains.Telemetry;
using CsCheck;

namespace BackpropCluster.Tests.Traces;

/// <summary>Spans as no sound run would write them: children that outlast their parents, parents that are missing, many
/// at one moment.</summary>
internal static class RandomTrace
{
    private static readonly Gen<string> Names = Gen.Frequency(
        (8, Gen.Int[1, 40].Select(i => $"forward h{i}")),
        (1, Gen.Char["a\u001b本 │\n"].Array[1, 60].Select(c => new string(c)))
    );

    private static readonly Gen<TraceAttribute[]> Attributes = Gen.OneOf(
            Gen.Double.Select(TraceValue.Of),
            Gen.Long.Select(TraceValue.Of),
            Gen.Char["xy\u001bz "].Array[0, 100].Select(c => TraceValue.Of(new string(c)))
        )
        .Array[0, 5]
        .Select(values => values.Select((v, i) => new TraceAttribute($"backprop.attribute_{i}", v)).ToArray());

    private static readonly Gen<(int Parent, string Name, ulong Start, ulong Length, int Silo)> Shapes = Gen.Select(
        Gen.Int[0, 60],
        Names,
        Gen.ULong[0, 200],
        Gen.Frequency((1, Gen.Const(0UL)), (4, Gen.ULong[1, 80])),
        Gen.Int[1, 3]
    );

    /// <summary>1 to 40 spans of one trace on up to three silos; some link to another, some have an event.</summary>
    public static Gen<TraceSpan[]> Spans { get; } =
        Gen.Select(Shapes, Attributes, Gen.Int[0, 50])
            .Array[1, 40]
            .Select(shapes =>
                shapes
                    .Select(
                        (shape, i) =>
                        {
                            var ((parent, name, start, length, silo), attributes, link) = shape;
                            // A parent's number is not always below its child's, and not always there; only itself it
                            // never is.
                            return TutorialTrace.Span(
                                i + 1,
                                parent == i + 1 ? 0 : parent,
                                name,
                                start * 10,
                                (start + length) * 10,
                                $"silo-{silo}",
                                attributes
                            ) with
                            {
                                Links = link is > 0 and <= 40
                                    ? [new TraceLink(TutorialTrace.TraceId, TutorialTrace.Id(link), [])]
                                    : [],
                                Events =
                                    link % 5 == 0
                                        ? [new TraceEvent(TutorialTrace.Zero + (start * 10), name, attributes)]
                                        : [],
                            };
                        }
                    )
                    .ToArray()
            );
}
