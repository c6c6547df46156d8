using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Traces;

/// <summary>Prints the tree of a trace as plain text: a line a span, what is told about it beside it or
/// below.</summary>
/// <param name="output">Where to. Nothing but text goes there, so that a file reads as a terminal does.</param>
/// <param name="columns">How wide a line may be, at least <see cref="FewestColumns"/>.</param>
internal sealed class TraceText(TextWriter output, int columns)
{
    public const int FewestColumns = 60;

    /// <summary>From here on there is room for a bar that shows when a span ran.</summary>
    private const int ColumnsWithBar = 110;
    private const int BarCells = 24;
    private const int TimeColumns = 8;
    private const int MostNameColumns = 34;
    private const int MostSiloColumns = 12;
    private static readonly string[] Untold =
    [
        TraceWords.Run,
        TraceWords.Step,
        TraceWords.Epoch,
        TraceWords.Layer,
        TraceWords.Silo,
    ];

    private readonly int width = Math.Max(columns, FewestColumns);

    /// <param name="run">The run's id.</param>
    /// <param name="trace">Which trace.</param>
    /// <param name="spans">All spans of it.</param>
    public void Write(string run, RecordedTrace trace, IReadOnlyList<TraceSpan> spans)
    {
        var rows = TraceTree.Of(spans);
        var layout = Layout.Of(rows);
        var silos = spans.Select(s => s.Silo).Distinct().Count();
        var epoch = spans.Select(s => s.Find(TraceWords.Epoch)).FirstOrDefault(e => e is not null);
        Wrapped(
            "",
            "  ",
            [
                $"run {run}",
                $"step {trace.Step}",
                epoch is { } e ? $"epoch {Quantities.Value(e)}" : "",
                Counted(spans.Count, "span"),
                Counted(silos, "silo"),
                Quantities.Time(layout.TotalNano),
                $"trace {trace.TraceId}",
            ]
        );
        if (trace.Root is null)
            output.WriteLine(
                "The step's own span is not in the file: the run ended within the step, or is still in it."
            );
        output.WriteLine();
        output.WriteLine(
            $"{"".PadRight(layout.NameColumns)} {"start", TimeColumns} {"duration", TimeColumns}  silo".TrimEnd()
        );
        foreach (var row in rows)
            Row(row, layout);
    }

    private static string Counted(int count, string what) => $"{count:N0} {what}{(count == 1 ? "" : "s")}";

    private void Row(TraceRow row, Layout layout)
    {
        var span = row.Span;
        var name = Left(row.Branch + Excerpt.Bare(span.Name), layout.NameColumns).PadRight(layout.NameColumns);
        var (start, duration) = (
            Quantities.Time((long)(span.StartUnixNano - layout.StartUnixNano)),
            Quantities.Time(span.DurationNano)
        );
        var line =
            $"{name} {start, TimeColumns} {duration, TimeColumns}  "
            + $"{Right(span.Silo, layout.SiloColumns).PadRight(layout.SiloColumns)}";
        if (width >= ColumnsWithBar)
            line += $"  {layout.Bar(span)}";
        var details = Details(row);
        var beside = string.Join("  ", details);
        if (line.Length + 2 + beside.Length <= width)
        {
            output.WriteLine($"{line}  {beside}".TrimEnd());
        }
        else
        {
            output.WriteLine(line.TrimEnd());
            Wrapped(row.Below, row.Below, details);
        }

        foreach (var e in span.Events.OrderBy(e => e.TimeUnixNano))
            Wrapped(
                row.Below + "• ",
                row.Below + "  ",
                [
                    $"{Quantities.Time((long)(e.TimeUnixNano - layout.StartUnixNano))}",
                    Excerpt.Bare(e.Name),
                    .. e.Attributes.Select(Quantities.Attribute),
                ]
            );
    }

    private static List<string> Details(TraceRow row)
    {
        List<string> details =
        [
            .. row.Span.Attributes.Where(a => !Untold.Contains(a.Key)).Select(Quantities.Attribute),
        ];
        if (row.Span.Status is { Code: TraceStatusCode.Error, Message: var message })
            details.Insert(0, $"ERROR{(message is { } why ? $": {Excerpt.Bare(why)}" : "")}");
        if (row.IsOrphan)
            details.Add("(its parent was not recorded)");
        return details;
    }

    // An item is never broken in two: one that is wider than a line is cut, and --json has it whole.
    private void Wrapped(string first, string next, IEnumerable<string> items)
    {
        var line = first;
        var isEmpty = true;
        foreach (var item in items.Where(i => i.Length > 0))
        {
            if (!isEmpty && line.Length + 2 + item.Length > width)
            {
                output.WriteLine(line);
                (line, isEmpty) = (next, true);
            }

            line += isEmpty ? Left(item, Math.Max(8, width - line.Length)) : $"  {item}";
            isEmpty = false;
        }

        if (!isEmpty)
            output.WriteLine(line);
    }

    private static string Left(string text, int length) => text.Length <= length ? text : $"{text[..(length - 1)]}…";

    // Names of silos differ at their end.
    private static string Right(string text, int length) => text.Length <= length ? text : $"…{text[^(length - 1)..]}";

    /// <param name="StartUnixNano">Zero of the column of starts.</param>
    /// <param name="TotalNano">From the first start to the last end.</param>
    /// <param name="NameColumns">Of the tree and the names.</param>
    /// <param name="SiloColumns">Of the silos' names.</param>
    private sealed record Layout(ulong StartUnixNano, long TotalNano, int NameColumns, int SiloColumns)
    {
        public static Layout Of(IReadOnlyList<TraceRow> rows)
        {
            var start = rows.Min(r => r.Span.StartUnixNano);
            return new Layout(
                start,
                (long)(rows.Max(r => r.Span.EndUnixNano) - start),
                Math.Min(MostNameColumns, rows.Max(r => r.Branch.Length + Excerpt.Bare(r.Span.Name).Length)),
                Math.Clamp(rows.Max(r => r.Span.Silo.Length), "silo".Length, MostSiloColumns)
            );
        }

        /// <summary>Cells in which the span ran, at least one.</summary>
        public string Bar(TraceSpan span)
        {
            var scale = TotalNano == 0 ? 0 : (double)BarCells / TotalNano;
            var first = Math.Min(BarCells - 1, (int)((span.StartUnixNano - StartUnixNano) * scale));
            var end = Math.Clamp((int)Math.Ceiling((span.EndUnixNano - StartUnixNano) * scale), first + 1, BarCells);
            return $"│{new string(' ', first)}{new string('█', end - first)}{new string(' ', BarCells - end)}│";
        }
    }
}
