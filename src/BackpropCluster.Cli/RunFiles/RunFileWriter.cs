using System.Globalization;
using System.Text;
using BackpropCluster.Core;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>Writes a run as a run file with every default spelt out.</summary>
internal static class RunFileWriter
{
    /// <param name="run">The run.</param>
    /// <param name="placeOf">How a file is to be written down, whose whole path is given.</param>
    public static string Write(RunFile run, Func<string, string> placeOf)
    {
        var (spec, cluster) = (run.Spec, run.Cluster);
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"version: 1\n");
        text.Append(CultureInfo.InvariantCulture, $"name: {Quoted(spec.Name)}\n");
        text.Append(CultureInfo.InvariantCulture, $"seed: {spec.Seed}\n");
        AppendData(text, spec.Data, placeOf);
        text.Append(CultureInfo.InvariantCulture, $"model:\n");
        text.Append(CultureInfo.InvariantCulture, $"  layers:\n");
        foreach (var layer in spec.Model.Layers)
        {
            var init = layer.Given is { } given
                ? $"{{ file: {Quoted(placeOf(given.File))} }}"
                : Words.Of(Words.Inits, layer.Init);
            text.Append(
                CultureInfo.InvariantCulture,
                $"    - {{ units: {layer.Units}, activation: {Words.Of(Words.Activations, layer.Activation)}, init: "
                    + $"{init}, train_bias: {Flag(layer.TrainBias)} }}\n"
            );
        }

        text.Append(CultureInfo.InvariantCulture, $"  loss: {Words.Of(Words.Losses, spec.Model.Loss)}\n");
        text.Append(CultureInfo.InvariantCulture, $"optimizer: {OptimizerKeys.Write(spec.Optimizer)}\n");
        var stop = spec.Training.Stop is { } rule
            ? $", stop: {{ metric: {Words.Of(Words.StopMetrics, rule.Metric)}, at: "
                + $"{rule.At.ToString("R", CultureInfo.InvariantCulture)} }}"
            : "";
        text.Append(
            CultureInfo.InvariantCulture,
            $"training: {{ epochs: {spec.Training.Epochs}, update: {Words.Of(Words.Updates, spec.Training.Update)}, "
                + $"checkpoint_every: {Every(cluster)}, keep_checkpoints: {Kept(cluster)}, log_every: "
                + $"{cluster.LogEvery}{stop} }}\n"
        );
        text.Append(
            CultureInfo.InvariantCulture,
            $"cluster: {{ silos: {cluster.Silos}, granularity: {cluster.Granularity}, placement: "
                + $"{Words.Of(Words.Placements, cluster.Placement)}, step_deadline: "
                + $"{Quantity.Format(cluster.StepDeadline)}, give_up_after: "
                + $"{Quantity.Format(cluster.GiveUpAfter)} }}\n"
        );
        text.Append(CultureInfo.InvariantCulture, $"trace: {TraceKeys.Write(spec.Trace)}\n");
        return text.ToString();
    }

    private static void AppendData(StringBuilder text, DataSpec data, Func<string, string> placeOf)
    {
        text.Append(CultureInfo.InvariantCulture, $"data:\n");
        text.Append(CultureInfo.InvariantCulture, $"  source: {Words.Of(Words.Sources, data.Source)}\n");
        if (data.Idx is { } idx)
            foreach (
                var (key, file) in new[]
                {
                    ("images", idx.Images),
                    ("labels", idx.Labels),
                    ("test_images", idx.TestImages),
                    ("test_labels", idx.TestLabels),
                }.Where(f => f.Item2 is not null)
            )
                text.Append(CultureInfo.InvariantCulture, $"  {key}: {Quoted(placeOf(file!))}\n");
        if (data.Csv is { } csv)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"  file: {Quoted(placeOf(csv.File))}\n  header: {Flag(csv.Header)}\n  target: "
                    + $"[{string.Join(", ", csv.TargetColumns.Select(Quoted))}]\n"
            );
            if (csv.Classes is { } classes)
                text.Append(CultureInfo.InvariantCulture, $"  classes: {classes}\n");
        }

        text.Append(
            CultureInfo.InvariantCulture,
            $"  batch: {data.Batch?.ToString(CultureInfo.InvariantCulture) ?? "all"}\n"
        );
        text.Append(CultureInfo.InvariantCulture, $"  microbatches: {data.Microbatches}\n");
        text.Append(CultureInfo.InvariantCulture, $"  shuffle: {Flag(data.Shuffle)}\n");
        if (data.Idx?.TestImages is null)
            text.Append(CultureInfo.InvariantCulture, $"  test: {data.Test:R}\n");
        text.Append(CultureInfo.InvariantCulture, $"  scale: {Words.Of(Words.Scalings, data.Scale)}\n");
    }

    private static string Every(ClusterSpec cluster) =>
        cluster.Checkpoints.Steps > 0
            ? cluster.Checkpoints.Steps.ToString(CultureInfo.InvariantCulture)
            : Quantity.Format(cluster.Checkpoints.Interval);

    private static string Kept(ClusterSpec cluster) =>
        cluster.Checkpoints.Keep == 0 ? "all" : cluster.Checkpoints.Keep.ToString(CultureInfo.InvariantCulture);

    private static string Flag(bool value) => value ? "true" : "false";

    // A name such as 2026 or true would come back as it is here, but not in another reader.
    private static string Quoted(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";
}
