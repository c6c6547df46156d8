using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Traces;

/// <summary>The spans of one trace, each after its parent, children by start and then by name.</summary>
internal static class TraceTree
{
    /// <param name="spans">Of one trace, in any order.</param>
    /// <returns>All of them. One whose parent is not among them stands at the left edge, like a root.</returns>
    public static List<TraceRow> Of(IEnumerable<TraceSpan> spans)
    {
        List<TraceSpan> sorted =
        [
            .. spans
                .OrderBy(s => s.StartUnixNano)
                .ThenBy(s => s.Name, StringComparer.Ordinal)
                .ThenBy(s => s.SpanId, StringComparer.Ordinal),
        ];
        var ids = sorted.Select(s => s.SpanId).ToHashSet();
        var children = sorted.ToLookup(s => s.ParentSpanId is { } parent && ids.Contains(parent) ? parent : "");
        var rows = new List<TraceRow>(sorted.Count);
        var placed = new HashSet<string>();
        // Spans whose parents form a circle have no top. They must not vanish: the earliest of them is taken for one.
        foreach (var top in children[""].Concat(sorted))
            Place(top);
        return rows;

        // With a stack of our own: a chain of spans may be longer than a thread's stack is deep.
        void Place(TraceSpan top)
        {
            var waiting = new Stack<(TraceSpan Span, TraceRow? Parent, bool IsLast)>([(top, null, true)]);
            while (waiting.TryPop(out var next))
            {
                if (!placed.Add(next.Span.SpanId))
                    continue;
                List<TraceSpan> below = [.. children[next.Span.SpanId]];
                var row = new TraceRow(next.Span, next.Parent, next.IsLast, below.Count > 0);
                rows.Add(row);
                for (var i = below.Count - 1; i >= 0; i--)
                    waiting.Push((below[i], row, i == below.Count - 1));
            }
        }
    }
}

/// <summary>A span and where it stands in its trace's tree.</summary>
internal sealed class TraceRow(TraceSpan span, TraceRow? parent, bool isLast, bool hasChildren)
{
    public TraceSpan Span => span;

    /// <summary><see langword="null"/> at the left edge.</summary>
    public TraceRow? Parent => parent;

    /// <summary>0 at the left edge.</summary>
    public int Depth { get; } = parent is null ? 0 : parent.Depth + 1;

    /// <summary>A span that has a parent which was not recorded.</summary>
    public bool IsOrphan => parent is null && span.ParentSpanId is not null;

    /// <summary>The tree's lines left of the name.</summary>
    public string Branch { get; } = parent is null ? "" : parent.Trunk + (isLast ? "└─ " : "├─ ");

    /// <summary>The tree's lines left of what is told about the span below its name.</summary>
    public string Below => Trunk + (hasChildren ? "│ " : "  ");

    private string Trunk { get; } = parent is null ? "" : parent.Trunk + (isLast ? "   " : "│  ");

    public bool IsWithin(TraceRow other)
    {
        for (var row = parent; row is not null; row = row.Parent)
            if (row == other)
                return true;
        return false;
    }
}
