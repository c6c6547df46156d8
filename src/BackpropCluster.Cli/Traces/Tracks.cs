using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Traces;

/// <summary>Lays the spans of one silo on tracks, so that on each of them spans lie apart or within one
/// another.</summary>
internal static class Tracks
{
    /// <summary>Each span goes to the first track where everything that is still open is an ancestor of it and lasts as
    /// long.</summary>
    /// <remarks>A span of another parent would fit by its times too, but a viewer would show it as a part of what it
    /// happens to lie in.</remarks>
    /// <param name="rows">Spans of one silo, each with its place in its own trace.</param>
    /// <returns>Every span with its track, from 0, by start; a parent before a child that starts with it.</returns>
    public static List<(TraceRow Row, int Track)> Assign(IEnumerable<TraceRow> rows)
    {
        var tracks = new List<Stack<TraceRow>>();
        var assigned = new List<(TraceRow, int)>();
        foreach (
            var row in rows.OrderBy(r => r.Span.StartUnixNano)
                .ThenByDescending(r => r.Span.EndUnixNano)
                .ThenBy(r => r.Depth)
        )
        {
            var track = tracks.FindIndex(open => Fits(open, row));
            if (track < 0)
            {
                track = tracks.Count;
                tracks.Add([]);
            }

            tracks[track].Push(row);
            assigned.Add((row, track));
        }

        return assigned;
    }

    private static bool Fits(Stack<TraceRow> open, TraceRow row)
    {
        while (open.TryPeek(out var ended) && ended.Span.EndUnixNano <= row.Span.StartUnixNano)
            open.Pop();
        return !open.TryPeek(out var innermost)
            || (innermost.Span.EndUnixNano >= row.Span.EndUnixNano && row.IsWithin(innermost));
    }
}
