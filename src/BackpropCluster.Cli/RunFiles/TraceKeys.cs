using System.Globalization;
using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>The keys of <c>trace</c>: which steps are recorded, and how much of them.</summary>
internal static class TraceKeys
{
    private const int MostSpans = 100_000;

    // A neuron's numbers are told where somebody could read them; copying those of a wide model would be the step's
    // largest cost.
    private const int AutoNeurons = 500;
    private const int AutoRows = 8;

    private static readonly TraceSpec Standard = new(3, 50);

    private enum Detail
    {
        Auto,
        Times,
        Numbers,
    }

    private static (string, Detail)[] Details { get; } =
    [("auto", Detail.Auto), ("times", Detail.Times), ("numbers", Detail.Numbers)];

    public static string[] Words => [.. Details.Select(d => d.Item1)];

    public static TraceSpec Read(Section file, ModelSpec model, int rows, Granularity granularity)
    {
        var trace = file.Group("trace", "first", "every", "detail", "max_spans", "orleans");
        var detail = trace.Choice("detail", Detail.Auto, Details);
        var numbers =
            detail == Detail.Numbers
            || (
                detail == Detail.Auto
                && granularity == Granularity.Neuron
                && model.Layers.Sum(l => l.Units) <= AutoNeurons
                && rows <= AutoRows
            );
        var fewest = Math.Max(20, RollUp.Fewest(model.Layers.Length));
        return new TraceSpec(
            trace.Whole("first", Standard.First, 0, int.MaxValue),
            trace.Whole("every", Standard.Every, 0, int.MaxValue),
            numbers ? TraceDetail.Numbers : TraceDetail.Times,
            trace.Whole("max_spans", Math.Max(Standard.MaxSpans, fewest), fewest, MostSpans),
            trace.Flag("orleans", Standard.Orleans)
        );
    }

    public static string Write(TraceSpec trace) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{{ first: {trace.First}, every: {trace.Every}, detail: "
                + $"{(trace.Detail == TraceDetail.Numbers ? "numbers" : "times")}, max_spans: "
                + $"{trace.MaxSpans}{(trace.Orleans ? ", orleans: true" : "")} }}"
        );
}
