using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>From the keys of a run file to a run: each key once, with its default and its bounds.</summary>
internal static partial class RunFileReader
{
    private const int MaxUnits = 1_000_000;
    private const long MaxParameters = 100_000_000;
    private const int KeptCheckpoints = 3;
    private static readonly TimeSpan LongestDeadline = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan LongestInterval = TimeSpan.FromDays(1);

    public static RunFile Read(string path, MapNode root)
    {
        // Before the keys: a later version's file has some that are unknown here, and they are not what is wrong with
        // it.
        if (
            root.Find("version")?.Value is ScalarNode { Text: var version, Place: var place }
            && int.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var later)
            && later > 1
        )
            throw new RunFileException(
                $"the run file is of version {later}, this program reads version 1",
                place,
                "Use a later program, or write the file for version 1."
            );
        var file = new Section(
            root,
            "",
            "version",
            "name",
            "seed",
            "data",
            "model",
            "optimizer",
            "training",
            "cluster",
            "trace"
        );
        file.Whole("version", null, 1, 1);
        var data = DataKeys.Read(file, path, out var table);
        var model = Model(file.Group("model", "layers", "loss"), table, path);
        var training = Training(
            file.Group("training", "epochs", "update", "checkpoint_every", "keep_checkpoints", "log_every", "stop"),
            data,
            table
        );
        var cluster = Cluster(
            file.Group("cluster", "silos", "granularity", "placement", "step_deadline", "give_up_after"),
            file.Group("training", "epochs", "update", "checkpoint_every", "keep_checkpoints", "log_every", "stop"),
            model
        );
        var spec = new RunSpec
        {
            Name = Name(file, path),
            Seed = file.Seed("seed", 1),
            Data = data,
            Model = model,
            Optimizer = OptimizerKeys.Read(file),
            Training = training,
            Trace = TraceKeys.Read(file, model, (data.Batch ?? table.Rows) / data.Microbatches, cluster.Granularity),
        };
        return new RunFile(spec, cluster, table);
    }

    private static string Name(Section file, string path)
    {
        if (file.Text("name") is { } name)
            return NamePattern().IsMatch(name)
                ? name
                : throw file.Wrong(
                    "name",
                    $"got {Excerpt.Of(name)}, expected small letters, digits, '.', '_' and '-', at most 64, a "
                        + $"letter or digit first",
                    "Choose another name."
                );
        // From the file's own name, with what a name may not hold replaced: a default must not be able to fail.
        var stem = NotInNames()
            .Replace(Path.GetFileNameWithoutExtension(path).ToLowerInvariant(), "-")
            .TrimStart('-', '.', '_');
        return stem.Length == 0 ? "run" : stem[..Math.Min(stem.Length, 64)];
    }

    private static ModelSpec Model(Section model, Table table, string path)
    {
        var list = model.List("layers");
        if (list.Items.Count == 0)
            throw model.Wrong("layers", "got no layer, expected at least one", "Add the output layer.");
        var layers = ImmutableArray.CreateBuilder<LayerSpec>();
        var parameters = 0L;
        using var given = new InitKeys(path);
        foreach (var (item, index) in list.Items.Select((item, index) => (item, index)))
        {
            if (item is not MapNode map)
                throw new RunFileException(
                    $"model.layers[{index}]: got {item.Kind}, expected keys such as units and activation",
                    item.Place,
                    "Write { units: 10, activation: logistic }."
                );
            var section = new Section(map, $"model.layers[{index}].", "units", "activation", "init", "train_bias");
            var layer = Layer(section, index == 0 ? table.Features : layers[index - 1].Units, index, given);
            layers.Add(layer);
            parameters += layer.Units * ((index == 0 ? table.Features : layers[index - 1].Units) + 1L);
            if (parameters > MaxParameters)
                throw section.Wrong(
                    "units",
                    $"the model would have more than {MaxParameters.ToString("N0", CultureInfo.InvariantCulture)} "
                        + $"parameters",
                    "Use fewer units."
                );
            if (index == list.Items.Count - 1)
                CheckOutputs(section, layer.Units, index, table);
        }

        var loss = model.Choice("loss", (LossKind?)null, Words.Losses);
        if (loss == LossKind.CrossEntropy && (table.Classes is null || layers[^1].Units < 2))
            throw model.Wrong(
                "loss",
                $"cross_entropy needs one output for each class; the data has {Classes(table)} and the last layer "
                    + $"{layers[^1].Units} units",
                "Use half_squared_error, or one unit a class."
            );
        return new ModelSpec { Layers = layers.ToImmutable(), Loss = loss };
    }

    private static LayerSpec Layer(Section section, int inputs, int index, InitKeys given)
    {
        var layer = new LayerSpec
        {
            Units = section.Whole("units", null, 1, MaxUnits),
            Activation = section.Choice("activation", (Activation?)null, Words.Activations),
            Init = section.IsGroup("init")
                ? WeightInit.GlorotUniform
                : section.Choice("init", WeightInit.GlorotUniform, Words.Inits),
            TrainBias = section.Flag("train_bias", true),
        };
        if (section.IsGroup("init"))
            return layer with { Given = given.Read(section.Group("init", "file"), index, layer.Units, inputs) };
        if (layer.Init == WeightInit.Mazur && (index > 1 || inputs != 2 || layer.Units != 2))
            throw section.Wrong(
                "init",
                $"mazur is for the tutorial's two layers of 2 inputs and 2 units, this is layer {index + 1} with "
                    + $"{inputs} inputs and {layer.Units} units",
                "Choose another init."
            );
        return layer;
    }

    private static void CheckOutputs(Section section, int units, int index, Table table)
    {
        if (table.Accepts(units))
            return;
        var wanted = table.Classes is null ? table.TargetColumns : table.ClassCount;
        throw new RunFileException(
            $"layer {index + 1} has {units} outputs but the data has {Classes(table)}",
            section.PlaceOf("units"),
            $"Set model.layers[{index}].units to {wanted}."
        );
    }

    private static string Classes(Table table) =>
        table.Classes is null ? $"{table.TargetColumns} target columns" : $"{table.ClassCount} classes";

    private static TrainingSpec Training(Section training, DataSpec data, Table table)
    {
        var epochs = training.Whole("epochs", null, 1, int.MaxValue);
        var rows = table.Rows - table.HeldOut(data.Test);
        if ((double)epochs * rows / (data.Batch ?? rows) > int.MaxValue / 2)
            throw training.Wrong(
                "epochs",
                $"{epochs} epochs are more steps than can be counted",
                "Use fewer epochs or larger batches."
            );
        var update = training.Choice("update", UpdateOrder.AfterBackward, Words.Updates);
        if (update == UpdateOrder.DuringBackward && data.Microbatches > 1)
            throw training.Wrong(
                "update",
                $"during-backward updates in the middle of a backward pass, which {data.Microbatches} microbatches "
                    + $"would each do apart",
                "Set data.microbatches to 1, or use after-backward."
            );
        return new TrainingSpec
        {
            Epochs = epochs,
            Update = update,
            Stop = training.Has("stop") ? Stop(training, data, table) : null,
        };
    }

    private static StopRule Stop(Section training, DataSpec data, Table table)
    {
        var stop = training.Group("stop", "metric", "at");
        var metric = stop.Choice("metric", (StopMetric?)null, Words.StopMetrics);
        if (table.HeldOut(data.Test) == 0)
            throw training.Wrong(
                "stop",
                "looks at test rows, and no row is held out",
                "Set data.test, for example to 0.2."
            );
        if (metric == StopMetric.TestAccuracy && table.Classes is null)
            throw stop.Wrong("metric", "test_accuracy needs classes, the data has real targets", "Use test_loss.");
        return new StopRule(
            metric,
            stop.Number(
                "at",
                null,
                metric == StopMetric.TestAccuracy ? "a share from 0 to 1" : "a finite number from 0",
                at => at >= 0 && (metric == StopMetric.TestLoss || at <= 1)
            )
        );
    }

    private static ClusterSpec Cluster(Section cluster, Section training, ModelSpec model)
    {
        var granularity =
            cluster.Scalar(
                "granularity",
                true,
                "neuron, layer or a number of units from 1",
                text => Granularity.TryParse(text, out var value) ? value : (Granularity?)null
            ) ?? Granularity.Layer;
        var widest = model.Layers.Max(layer => layer.Units);
        // Asked of the text: the largest number there is stands for layer inside, and would pass for it here.
        if (cluster.Text("granularity") is not (null or "layer") && granularity.Units > widest)
            throw cluster.Wrong(
                "granularity",
                $"{granularity.Units} units fit no layer: the widest has {widest}",
                $"Use at most {widest}, or layer."
            );
        return new ClusterSpec(
            cluster.Whole("silos", 1, 1, 64),
            granularity,
            cluster.Choice("placement", PlacementRule.Spread, Words.Placements),
            cluster.Duration("step_deadline", TimeSpan.FromSeconds(10), LongestDeadline),
            cluster.Duration("give_up_after", TimeSpan.FromMinutes(5), LongestInterval),
            Checkpoints(training),
            training.Whole("log_every", 0, 0, int.MaxValue)
        );
    }

    // A bare number counts steps, a quantity measures time.
    private static CheckpointRule Checkpoints(Section training)
    {
        var keep =
            training.Scalar(
                "keep_checkpoints",
                true,
                "all or a number from 1",
                text =>
                    text == "all" ? 0
                    : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n > 0 ? n
                    : (int?)null
            ) ?? KeptCheckpoints;
        return
            int.TryParse(
                training.Text("checkpoint_every"),
                NumberStyles.None,
                CultureInfo.InvariantCulture,
                out var steps
            )
            && steps > 0
            ? new CheckpointRule(steps, TimeSpan.Zero, keep)
            : new CheckpointRule(
                0,
                training.Duration(
                    "checkpoint_every",
                    TimeSpan.FromSeconds(30),
                    LongestInterval,
                    "a number of steps from 1, or "
                ),
                keep
            );
    }

    [GeneratedRegex(@"^[a-z0-9][a-z0-9._-]{0,63}\z")]
    private static partial Regex NamePattern();

    [GeneratedRegex("[^a-z0-9._-]+")]
    private static partial Regex NotInNames();
}
