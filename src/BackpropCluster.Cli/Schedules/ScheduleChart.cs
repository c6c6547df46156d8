using System.Globalization;
using System.Text;
using BackpropCluster.Core.Layout;
using BackpropCluster.Core.Layout.Checking;
using Spectre.Console;

namespace BackpropCluster.Cli.Schedules;

/// <summary>A step as a Gantt chart of letters: a row for each rank, time from left to right.</summary>
/// <remarks>If a few bands are enough, every action stands with its name; in a longer step a column shows what a rank
/// does for most of that time. Without colours the letters say the same.</remarks>
/// <param name="console">Where it is drawn.</param>
/// <param name="width">Columns that a line may have.</param>
internal sealed class ScheduleChart(IAnsiConsole console, int width)
{
    private const int MostBands = 6;
    private const int NarrowestChart = 10;

    public void Draw(ScheduleTimeline timeline)
    {
        var header = string.Create(CultureInfo.InvariantCulture, $"r{timeline.Ranks.Length - 1} ").Length;
        var columns = Math.Max(NarrowestChart, width - header);
        var rows = timeline.Cells.GroupBy(cell => cell.Place.Rank).Select(rank => rank.ToArray()).ToArray();
        var tick = timeline.Cells.Aggregate(0L, (unit, cell) => Gcd(Gcd(unit, cell.Start), cell.End));
        var perTick = timeline.Cells.Max(cell =>
        {
            var (label, ticks) = (cell.Place.Cell.ToString().Length + 1, (cell.End - cell.Start) / tick);
            return (label + ticks - 1) / ticks;
        });
        var ticksPerBand = Math.Max(1, columns / perTick);
        var ticks = timeline.Makespan / tick;
        if (perTick <= columns && ticks <= MostBands * ticksPerBand)
            for (var from = 0L; from < ticks; from += ticksPerBand)
                DrawBand(rows, header, from * tick, Math.Min(ticks, from + ticksPerBand) * tick, tick, (int)perTick);
        else
            DrawOverview(rows, header, timeline.Makespan, (int)Math.Min(columns, ticks));
        DrawLegend(timeline);
    }

    private void DrawBand(TimedCell[][] rows, int header, long from, long to, long tick, int perTick)
    {
        Line(string.Create(CultureInfo.InvariantCulture, $"ticks {from} to {to}"));
        for (var rank = 0; rank < rows.Length; rank++)
        {
            var line = new StringBuilder(Header(rank, header));
            var time = from;
            foreach (var cell in rows[rank].Where(cell => cell.End > from && cell.Start < to))
            {
                Idle(line, (Math.Max(from, cell.Start) - time) / tick, perTick);
                var (start, end) = (Math.Max(from, cell.Start), Math.Min(to, cell.End));
                var columns = (int)((end - start) / tick) * perTick;
                // What began in the band above goes on without its name.
                var text = (cell.Start < from ? "" : cell.Place.Cell.ToString()).PadRight(columns - 1, '-');
                line.Append(Coloured(text.Length < columns ? text : text[..(columns - 1)], cell.Place.Cell))
                    .Append(' ');
                time = end;
            }

            Idle(line, (to - time) / tick, perTick);
            Line(line.ToString().TrimEnd());
        }
    }

    private static void Idle(StringBuilder line, long ticks, int perTick)
    {
        for (var i = 0L; i < ticks; i++)
            line.Append(".".PadRight(perTick));
    }

    private void DrawOverview(TimedCell[][] rows, int header, long makespan, int columns)
    {
        Line(
            string.Create(
                CultureInfo.InvariantCulture,
                $"ticks 0 to {makespan}, a column is {(double)makespan / columns:0.##} of them"
            )
        );
        for (var rank = 0; rank < rows.Length; rank++)
        {
            var line = new StringBuilder(Header(rank, header));
            var first = 0;
            for (var column = 0; column < columns; column++)
            {
                var (from, to) = (makespan * column / columns, makespan * (column + 1) / columns);
                while (first < rows[rank].Length && rows[rank][first].End <= from)
                    first++;
                line.Append(Most(rows[rank], first, from, to) is { } cell ? Coloured(Letter(cell), cell) : ".");
            }

            Line(line.ToString());
        }
    }

    // The cell that fills most of a column, or nothing if idling does.
    private static ScheduleCell? Most(TimedCell[] cells, int first, long from, long to)
    {
        var (most, longest, idle) = ((ScheduleCell?)null, 0L, to - from);
        for (var i = first; i < cells.Length && cells[i].Start < to; i++)
        {
            var shared = Math.Min(to, cells[i].End) - Math.Max(from, cells[i].Start);
            idle -= shared;
            if (shared > longest)
                (most, longest) = (cells[i].Place.Cell, shared);
        }

        return idle > longest ? null : most;
    }

    private void DrawLegend(ScheduleTimeline timeline)
    {
        var shown = timeline
            .Cells.Select(cell => cell.Place.Cell)
            .DistinctBy(Letter)
            .OrderBy(Letter, StringComparer.Ordinal)
            .Select(cell => $"{Coloured(Letter(cell), cell)} {Meaning(cell)}");
        Line($"{string.Join("  ", shown)}  . idle");
    }

    private static string Meaning(ScheduleCell cell) =>
        cell.IsOverlap
            ? "overlap"
            : cell.Parts[0].Kind switch
            {
                ActionKind.Forward => "forward",
                ActionKind.InputBackward => "input",
                ActionKind.WeightBackward => "weight",
                _ => "backward",
            };

    private static string Letter(ScheduleCell cell) => cell.IsOverlap ? "O" : ScheduleText.NameOf(cell.Parts[0].Kind);

    private static string Coloured(string text, ScheduleCell cell) =>
        $"[black on {(cell.IsOverlap ? "mediumpurple1" : Colour(cell.Parts[0].Kind))}]{Markup.Escape(text)}[/]";

    private static string Colour(ActionKind kind) =>
        kind switch
        {
            ActionKind.Forward => "deepskyblue1",
            ActionKind.InputBackward => "gold1",
            ActionKind.WeightBackward => "palegreen1",
            _ => "orange1",
        };

    private static string Header(int rank, int columns) =>
        string.Create(CultureInfo.InvariantCulture, $"r{rank}").PadRight(columns);

    private void Line(string markup) => console.MarkupLine(markup);

    private static long Gcd(long a, long b) => b == 0 ? a : Gcd(b, a % b);
}
