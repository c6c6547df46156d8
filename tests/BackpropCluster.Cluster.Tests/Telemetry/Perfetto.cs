using System.Text.Json;

namespace BackpropCluster.ClusterTests.Telemetry;

/// <summary>The Trace Event Format: slices of one thread may nest, but not overlap in part.</summary>
internal static class Perfetto
{
    /// <summary>Every span is a slice, and on each track each slice ends before the one that it lies in does.</summary>
    public static void Check(string file, int spans)
    {
        var slices = JsonElement
            .Parse(file)
            .GetProperty("traceEvents")
            .EnumerateArray()
            .Where(e => e.GetProperty("ph").GetString() == "X")
            .Select(e =>
                (
                    Track: (e.GetProperty("pid").GetInt32(), e.GetProperty("tid").GetInt32()),
                    Name: e.GetProperty("name").GetString(),
                    Start: e.GetProperty("ts").GetDecimal(),
                    End: e.GetProperty("ts").GetDecimal() + e.GetProperty("dur").GetDecimal()
                )
            )
            .ToList();
        Assert.Equal(spans, slices.Count);
        foreach (var track in slices.GroupBy(s => s.Track))
        {
            var open = new Stack<(string? Name, decimal End)>();
            foreach (var slice in track.OrderBy(s => s.Start).ThenByDescending(s => s.End))
            {
                while (open.TryPeek(out var before) && before.End <= slice.Start)
                    open.Pop();
                if (open.TryPeek(out var outer))
                    Assert.True(
                        slice.End <= outer.End,
                        $"'{slice.Name}' ends at {slice.End} µs, after '{outer.Name}', which it lies in, at "
                            + $"{outer.End} µs"
                    );
                open.Push((slice.Name, slice.End));
            }
        }
    }
}
