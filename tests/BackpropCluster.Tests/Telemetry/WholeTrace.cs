using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Tests.Telemetry;

/// <summary>What every trace promises, whoever computed what where.</summary>
internal static class WholeTrace
{
    /// <summary>The spans of each trace, whose root is a training step: by step, and within it by trace.</summary>
    public static List<List<TraceSpan>> Steps(IEnumerable<TraceSpan> spans) =>
        [.. spans.GroupBy(s => s.TraceId).Select(t => t.ToList()).OrderBy(t => t.Min(s => s.Step))];

    /// <summary>One root, no orphan, no id twice, every child within its parent's time.</summary>
    /// <returns>The root.</returns>
    public static TraceSpan Check(IReadOnlyCollection<TraceSpan> spans)
    {
        Assert.Single(spans.Select(s => s.TraceId).Distinct());
        Assert.Equal(spans.Count, spans.Select(s => s.SpanId).Distinct().Count());
        var root = Assert.Single(spans, s => s.ParentSpanId is null);
        Assert.Equal("train step", root.Name);
        var byId = spans.ToDictionary(s => s.SpanId);
        foreach (var span in spans.Where(s => s.ParentSpanId is not null))
        {
            Assert.True(byId.TryGetValue(span.ParentSpanId!, out var parent), $"'{span.Name}' has no parent");
            Assert.True(
                parent.StartUnixNano <= span.StartUnixNano
                    && span.StartUnixNano <= span.EndUnixNano
                    && span.EndUnixNano <= parent.EndUnixNano,
                $"'{span.Name}' [{span.StartUnixNano}, {span.EndUnixNano}] is not within '{parent.Name}' "
                    + $"[{parent.StartUnixNano}, {parent.EndUnixNano}]"
            );
            Assert.Equal(
                (root.Step, Text(root, "backprop.run"), Whole(root, "backprop.epoch")),
                (span.Step, Text(span, "backprop.run"), Whole(span, "backprop.epoch"))
            );
        }

        // The phases stand below the root, the shards below their phase.
        string[] above = ["forward", "backward", "apply update"];
        foreach (var (verb, phase) in ((string[])["forward ", "backward ", "update "]).Zip(above))
            Assert.All(
                spans.Where(s => s.Name.StartsWith(verb, StringComparison.Ordinal)),
                s => Assert.Equal(phase, byId[s.ParentSpanId!].Name)
            );
        Assert.All(spans.Where(s => above.Contains(s.Name)), s => Assert.Equal(root.SpanId, s.ParentSpanId));
        return root;
    }

    /// <summary>The tutorial's step with neuron grains: its names, and the figures that it prints.</summary>
    public static void CheckTutorial(IReadOnlyCollection<TraceSpan> spans)
    {
        var root = Check(spans);
        Assert.Equal(
            "apply update, backward, backward h1, backward h2, backward o1, backward o2, compute loss, forward, "
                + "forward h1, forward h2, forward o1, forward o2, train step, update h1, update h2, update o1, "
                + "update o2",
            string.Join(", ", spans.Select(s => s.Name).Order(StringComparer.Ordinal))
        );
        var byName = spans.ToDictionary(s => s.Name);
        Assert.Equal(0.298371109, Real(root, "backprop.loss"), 1e-9);
        Assert.Equal(0.298371109, Real(byName["compute loss"], "backprop.loss"), 1e-9);
        foreach (
            var (name, net, output) in new[]
            {
                ("h1", 0.3775, 0.593269992),
                ("h2", 0.3925, 0.596884378),
                ("o1", 1.105905967, 0.75136507),
                ("o2", 1.224921404, 0.772928465),
            }
        )
            Assert.Equal(
                (net, output),
                (
                    Math.Round(Real(byName[$"forward {name}"], "backprop.net"), 9),
                    Math.Round(Real(byName[$"forward {name}"], "backprop.output"), 9)
                )
            );
        // δ_o1 is printed. Those of the hidden units follow from printed figures: δ_h = ∂E/∂out_h · out_h(1 − out_h),
        // and ∂E/∂w1 = δ_h1 · i1.
        Assert.Equal(0.138498562, Real(byName["backward o1"], "backprop.delta"), 1e-9);
        Assert.Equal(
            0.036350306 * 0.593269992 * (1 - 0.593269992),
            Real(byName["backward h1"], "backprop.delta"),
            1e-9
        );
        Assert.Equal(0.000438568, Real(byName["backward h1"], "backprop.delta") * 0.05, 1e-9);

        Assert.Equal(
            [1, 1, 2, 2],
            ((string[])["h1", "h2", "o1", "o2"]).Select(n => Whole(byName[$"forward {n}"], "backprop.layer"))
        );
        ulong Start(string name) => byName[name].StartUnixNano;
        Assert.True(
            Math.Max(Start("backward o1"), Start("backward o2"))
                <= Math.Min(Start("backward h1"), Start("backward h2")),
            "the hidden layer's deltas began before the outputs'"
        );
        Assert.True(
            Math.Max(Start("forward h1"), Start("forward h2")) <= Math.Min(Start("forward o1"), Start("forward o2")),
            "the outputs began before the hidden layer"
        );
        foreach (var name in (string[])["h1", "h2", "o1", "o2"])
            Assert.Equal(
                (root.TraceId, byName[$"forward {name}"].SpanId),
                Assert.Single(byName[$"backward {name}"].Links) is var link ? (link.TraceId, link.SpanId) : default
            );
    }

    /// <summary>Both are the same spans, to the last attribute.</summary>
    public static void CheckSame(IEnumerable<TraceSpan> expected, IEnumerable<TraceSpan> actual)
    {
        var (left, right) = (Sorted(expected), Sorted(actual));
        Assert.Equal(
            left.Select(s => (s.TraceId, s.SpanId, s.ParentSpanId, s.Name, s.Kind, s.StartUnixNano, s.EndUnixNano)),
            right.Select(s => (s.TraceId, s.SpanId, s.ParentSpanId, s.Name, s.Kind, s.StartUnixNano, s.EndUnixNano))
        );
        foreach (var (a, b) in left.Zip(right))
        {
            Assert.Equal(a.Attributes, b.Attributes);
            Assert.Equal(
                a.Events.Select(e => (e.TimeUnixNano, e.Name)),
                b.Events.Select(e => (e.TimeUnixNano, e.Name))
            );
            Assert.Equal(a.Events.SelectMany(e => e.Attributes), b.Events.SelectMany(e => e.Attributes));
            Assert.Equal(a.Links.Select(l => (l.TraceId, l.SpanId)), b.Links.Select(l => (l.TraceId, l.SpanId)));
            Assert.Equal(a.Links.SelectMany(l => l.Attributes), b.Links.SelectMany(l => l.Attributes));
            Assert.Equal(a.Status, b.Status);
        }
    }

    public static double Real(TraceSpan span, string key) => span.Find(key)?.Real ?? throw Missing(span, key);

    public static long Whole(TraceSpan span, string key) => span.Find(key)?.Whole ?? throw Missing(span, key);

    public static string Text(TraceSpan span, string key) => span.Find(key)?.Text ?? throw Missing(span, key);

    private static List<TraceSpan> Sorted(IEnumerable<TraceSpan> spans) =>
        [.. spans.OrderBy(s => s.TraceId, StringComparer.Ordinal).ThenBy(s => s.SpanId, StringComparer.Ordinal)];

    private static Xunit.Sdk.XunitException Missing(TraceSpan span, string key) =>
        new($"'{span.Name}' has no {key} of this kind: {string.Join(", ", span.Attributes.Select(a => a.Key))}");
}
