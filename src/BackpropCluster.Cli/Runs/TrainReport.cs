using System.Diagnostics;
using System.Globalization;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Coordination;
using Spectre.Console;

namespace BackpropCluster.Cli.Runs;

/// <summary>What a person sees of a training: the model as a table, a line of progress, the result.</summary>
internal sealed class TrainReport(RunPlan plan, RunFile file, IReadOnlyDictionary<string, string> silos, string where)
{
    private readonly long began = Stopwatch.GetTimestamp();
    private BatchMetrics last;
    private EvaluationMetrics? evaluation;
    private int tenths;
    private int warned;
    private string? paused;
    private int logged;
    private Placement? placed;

    public void Model()
    {
        var table = new Table()
            .Border(Output.DiagnosticsAreLive ? TableBorder.Rounded : TableBorder.Horizontal)
            .AddColumns("layer", "shape", "activation")
            .AddColumn(new TableColumn("parameters").RightAligned())
            .AddColumn(new TableColumn("shards").RightAligned());
        table.AddRow("source", N(plan.Features), "", "", "");
        for (var layer = 1; layer <= plan.Depth; layer++)
        {
            var spec = plan.Spec.Model.Layers[layer - 1];
            var inputs = plan.Spec.Model.InputsOf(layer, plan.Features);
            table.AddRow(
                N(layer),
                $"{N(inputs)} → {N(spec.Units)}",
                Words.Of(Words.Activations, spec.Activation),
                N(spec.Units * (inputs + 1L)),
                N(plan.ShardsOf(layer).Length)
            );
        }

        table.AddRow("loss", N(plan.Spec.Model.Layers[^1].Units), Words.Of(Words.Losses, plan.Spec.Model.Loss), "", "");
        table.AddRow("total", "", "", N(plan.Spec.Model.Parameters(plan.Features)), N(plan.ShardCount));
        Output.Diagnostics.MarkupLine(
            $"[bold]{Markup.Escape(plan.Run)}[/]: {N(plan.TrainingRows)} training rows, {N(plan.TestRows)} test rows; "
                + $"{Markup.Escape(where)}, {file.Cluster.Granularity} grains, {N(plan.MessagesPerStep)} messages a "
                + $"step"
        );
        Output.Diagnostics.Write(table);
    }

    // Said before the first step, and again when actors have moved.
    private void Placed(RunProgress progress)
    {
        if (
            progress.Placement is not { } placement
            || (
                placed is not null
                && placement.Silos.SequenceEqual(placed.Silos)
                && placement.SiloOfPart.SequenceEqual(placed.SiloOfPart)
            )
        )
            return;
        placed = placement;
        var rows = plan.Spec.Data.Batch ?? plan.TrainingRows;
        System.Console.Error.WriteLine(
            $"placement {Words.Of(Words.Placements, plan.Placement)}: "
                + $"{N(placement.BytesThatCross(plan, Math.Min(rows, plan.TrainingRows)))} bytes a step cross "
                + $"between silos"
        );
        foreach (
            var (silo, actors) in placement.Silos.Select((silo, i) => (silo, placement.ActorsOn(plan, i).ToList()))
        )
            System.Console.Error.WriteLine(
                $"  {silos.GetValueOrDefault(silo, silo)}: "
                    + $"{(actors.Count == 0 ? "nothing" : string.Join(", ", Grouped(actors)))}"
            );
    }

    // "layer 1 units 0-31": neighbouring shards are told together, and of shards that are not, how many there are.
    private IEnumerable<string> Grouped(List<ActorId> actors)
    {
        if (actors.Contains(ActorId.Source))
            yield return "source";
        foreach (var layer in actors.Where(p => p.Kind == ActorRole.Shard).GroupBy(p => p.Layer))
        {
            int[] indices = [.. layer.Select(p => p.Index).Order()];
            var shards = plan.ShardsOf(layer.Key);
            yield return indices.Length == shards.Length ? $"layer {layer.Key}"
            : indices[^1] - indices[0] == indices.Length - 1
                ? $"layer {layer.Key} units {shards[indices[0]].First}-{shards[indices[^1]].Last}"
            : $"layer {layer.Key} {N(indices.Length)} of {N(shards.Length)} shards";
        }

        if (actors.Contains(ActorId.Loss))
            yield return "loss";
    }

    /// <summary>Says each warning once, also where only JSON is wanted.</summary>
    public void Warnings(RunProgress progress)
    {
        foreach (var warning in progress.Warnings.Skip(warned))
            System.Console.Error.WriteLine($"warning: {warning}");
        warned = progress.Warnings.Length;
        if (progress.Paused is not null && paused is null)
            System.Console.Error.WriteLine($"paused at step {N(progress.CommittedSteps)}: {progress.Paused}");
        else if (progress.Paused is null && paused is not null && !progress.IsOver)
            System.Console.Error.WriteLine($"goes on at step {N(progress.CommittedSteps)}");
        paused = progress.Paused;
    }

    /// <summary>On a terminal one line that is drawn anew; elsewhere a line for each tenth of the run.</summary>
    public void Progress(RunProgress progress)
    {
        Placed(progress);
        if (progress.NewLosses.Length > 0)
            last = progress.NewLosses[^1];
        if (progress.NewEvaluations.Length > 0)
            evaluation = progress.NewEvaluations[^1];
        if (progress.CommittedSteps == 0)
            return;
        var share = (double)progress.CommittedSteps / progress.Steps;
        if (!Output.DiagnosticsAreLive && file.Cluster.LogEvery > 0)
        {
            Log(progress);
            return;
        }

        if (!Output.DiagnosticsAreLive && (int)(share * 10) == tenths)
            return;
        tenths = (int)(share * 10);

        var seconds = progress.Elapsed.TotalSeconds;
        var rows =
            (progress.CommittedSteps - progress.FirstVersion)
            * (double)plan.TrainingRows
            * plan.Spec.Training.Epochs
            / progress.Steps;
        var remaining =
            seconds
            * (progress.Steps - progress.CommittedSteps)
            / Math.Max(1, progress.CommittedSteps - progress.FirstVersion);
        var text =
            $"step {N(progress.CommittedSteps)}/{N(progress.Steps)}  epoch {progress.Epoch}  loss "
            + $"{Loss(last.Loss)}"
            + (evaluation is { } e ? $"  test {Percent(e.Score.Accuracy) ?? Loss(e.Score.Loss)}" : "")
            + $"  {Output.Rate(rows / seconds)} rows/s  ETA "
            + $"{remaining.ToString("0", CultureInfo.InvariantCulture)} s";
        if (Output.DiagnosticsAreLive)
            System.Console.Error.Write(
                $"\r\u001b[K{text[..Math.Min(text.Length, Math.Max(20, System.Console.BufferWidth - 1))]}"
                    + (progress.IsOver ? "\n" : "")
            );
        else
            System.Console.Error.WriteLine(text);
    }

    // One line for each step that training.log_every asks for.
    private void Log(RunProgress progress)
    {
        for (var i = 0; i < progress.NewLosses.Length; i++)
            if (++logged % file.Cluster.LogEvery == 0)
                System.Console.Error.WriteLine(
                    $"step {N(logged)}/{N(progress.Steps)}  loss "
                        + $"{Loss(progress.NewLosses[i].Loss)}"
                        + (Percent(progress.NewLosses[i].Accuracy) is { } accuracy ? $"  accuracy {accuracy}" : "")
                );
        foreach (var e in progress.NewEvaluations)
            System.Console.Error.WriteLine(
                $"step {N(e.Version)}/{N(progress.Steps)}  test loss "
                    + $"{Loss(e.Score.Loss)}  {Percent(e.Score.Accuracy)}"
            );
    }

    public void Result(TrainingOutcome outcome, Summary summary, string? folder)
    {
        var console = Output.Console;
        console.MarkupLine(
            $"[bold green]completed[/] {N(summary.Steps)} steps, {N(summary.Epochs)} epochs in "
                + $"{summary.Seconds.ToString("0.00", CultureInfo.InvariantCulture)} s: "
                + $"{Output.Rate(summary.StepsPerSecond)} steps/s, {Output.Rate(summary.SamplesPerSecond)} rows/s"
        );
        Line(console, "train", outcome.Result!.Steps[^1], "the last batch, before its update");
        if (outcome.Result.Evaluations.Length > 0)
            Line(console, "test", outcome.Result.Evaluations[^1].Score, $"{N(plan.TestRows)} rows");
        console.MarkupLine($"weights  sha256 {outcome.Result.WeightsSha256}");
        console.MarkupLine(
            $"messages {N(summary.Messages.Local)} local, {N(summary.Messages.Remote)} between silos; recoveries "
                + $"{summary.Recoveries}, moves {summary.Moves}"
        );
        console.MarkupLine(
            $"folder   {Markup.Escape(folder ?? "written by another client")}   (all in "
                + $"{Stopwatch.GetElapsedTime(began).TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture)} s)"
        );
    }

    private static void Line(IAnsiConsole console, string what, BatchMetrics metrics, string of) =>
        console.MarkupLine(
            $"{what, -8} loss {Loss(metrics.Loss)}"
                + (Percent(metrics.Accuracy) is { } accuracy ? $"  accuracy {accuracy}" : "")
                + $"  ({of})"
        );

    private static string Loss(double loss) => loss.ToString("0.000000", CultureInfo.InvariantCulture);

    private static string? Percent(double? share) => share?.ToString("0.0 %", CultureInfo.InvariantCulture);

    private static string N(long number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
