using BackpropCluster.ClusterTests.Otlp;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.ClusterTests.Telemetry;

/// <summary>What the documentation of each metric says that its labels are.</summary>
internal static class MetricNames
{
    private static readonly string[] Phases = ["forward", "backward", "evaluate", "save", "restore"];
    private static readonly string[] Kinds = ["activations", "deltas", "control"];

    private static readonly Dictionary<string, Dictionary<string, string[]>> Labels = new()
    {
        ["backprop.loss"] = new() { ["set"] = ["train", "test"] },
        ["backprop.accuracy"] = new() { ["set"] = ["train", "test"] },
        ["backprop.phase.duration"] = new() { ["phase"] = Phases },
        ["backprop.shard.compute"] = new() { ["phase"] = ["forward", "backward", "update"] },
        ["backprop.layer.wait"] = new() { ["phase"] = ["forward", "backward"] },
        ["backprop.messages"] = new() { ["kind"] = Kinds, ["reach"] = ["local", "remote"] },
        ["backprop.remote.bytes"] = new() { ["kind"] = Kinds },
        ["backprop.crossings"] = new() { ["kind"] = Kinds },
        ["backprop.checkpoints"] = new() { ["outcome"] = ["written", "failed"] },
        ["backprop.spans"] = new() { ["fate"] = ["kept", "rolled_up"] },
    };

    /// <summary>Those of this program that arrived.</summary>
    public static IReadOnlyList<string> Of(IEnumerable<DataPoint> points) =>
        [
            .. points
                .Select(p => p.Name)
                .Where(n => n.StartsWith("backprop.", StringComparison.Ordinal))
                .Distinct()
                .Order(StringComparer.Ordinal),
        ];

    /// <summary>Every name is documented, and so is every label and value; no run's id is among them.</summary>
    public static void CheckLabels(IReadOnlyList<DataPoint> points, string run)
    {
        Assert.NotEmpty(points);
        Assert.Empty(Of(points).Except(Metrics.All));
        foreach (var point in points.Where(p => p.Name.StartsWith("backprop.", StringComparison.Ordinal)))
        {
            var allowed = Labels.GetValueOrDefault(point.Name) ?? [];
            Assert.Equal(
                allowed.Keys.Order(StringComparer.Ordinal),
                point.Labels.Select(l => l.Key).Order(StringComparer.Ordinal)
            );
            Assert.All(point.Labels, label => Assert.Contains(label.Value.Text, allowed[label.Key]));
        }

        Assert.DoesNotContain(
            points,
            p => p.Labels.Any(l => l.Value.Text?.Contains(run, StringComparison.Ordinal) == true)
        );
    }

    /// <summary>Every documented value of a label has arrived.</summary>
    public static void CheckValues(IEnumerable<DataPoint> points, string name, string label) =>
        Assert.Equal(
            Labels[name][label].Order(StringComparer.Ordinal),
            points.Where(p => p.Name == name).Select(p => p.Label(label)!).Distinct().Order(StringComparer.Ordinal)
        );

    /// <summary>The largest value of a series that came, which is a counter's last.</summary>
    public static double Last(IEnumerable<DataPoint> points, string name, params (string Key, string Value)[] labels) =>
        points.Where(p => p.Name == name && Array.TrueForAll(labels, l => p.Label(l.Key) == l.Value)).Max(p => p.Value);
}
