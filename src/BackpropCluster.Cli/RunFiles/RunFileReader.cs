using System.Globalization;
using System.Text.RegularExpressions;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Data;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>From the keys of a run file to a run: the keys one by one, and then whether they fit each other and the
/// rows.</summary>
internal static partial class RunFileReader
{
    private const long MaxParameters = 100_000_000;

    // A neuron's numbers are told where somebody could read them; copying those of a wide model would be the step's
    // largest cost.
    private const int AutoNeurons = 500;
    private const int AutoRows = 8;

    private static readonly ClusterSpec StandardCluster = new(
        Silos: 1,
        Granularity.Layer,
        PlacementRule.Spread,
        StepDeadline: TimeSpan.FromSeconds(10),
        GiveUpAfter: TimeSpan.FromMinutes(5),
        new CheckpointRule(0, TimeSpan.FromSeconds(30), Keep: 3),
        LogEvery: 0
    );

    private static readonly TraceSpec StandardTrace = new(First: 3, Every: 50, Words.AutoDetail);

    public static RunFile Read(string path, MapNode root)
    {
        RefuseLaterVersions(root);
        var read = new RunKeys(Standard(path), StandardCluster, StandardTrace);
        RunFileKeys.Root.TryRead(root, new Where(path, ""), ref read);
        var (spec, cluster, trace) = read;
        var file = new Section(root);
        CheckFiles(file.Group("data"), spec.Data);
        // Most of what can be wrong with the keys shows only in the rows.
        var table = DataFiles.Read(spec.Data);
        CheckRows(file.Group("data"), spec.Data, table);
        spec = spec with { Model = Fitted(file.Group("model"), spec.Model, table) };
        CheckTraining(file.Group("training"), spec, table);
        CheckOptimizer(file.Group("optimizer"), spec.Optimizer);
        CheckGranularity(file.Group("cluster"), cluster.Granularity.Units, spec.Model);
        return new RunFile(spec, cluster, Trace(file.Group("trace"), trace, spec, cluster, table), table);
    }

    // What a file has to say is null until it is read.
    private static RunSpec Standard(string path) =>
        new()
        {
            Name = NameOf(path),
            Seed = 1,
            Data = null!,
            Model = null!,
            Optimizer = null!,
            Training = new() { Epochs = 0 },
        };

    // From the file's own name, with what a name may not hold replaced: a default must not be able to fail.
    private static string NameOf(string path)
    {
        var stem = NotInNames()
            .Replace(Path.GetFileNameWithoutExtension(path).ToLowerInvariant(), "-")
            .TrimStart('-', '.', '_');
        return stem.Length == 0 ? "run" : stem[..Math.Min(stem.Length, 64)];
    }

    // Before the keys: a later version's file has some that are unknown here, and they are not what is wrong with it.
    private static void RefuseLaterVersions(MapNode root)
    {
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
    }

    private static void CheckFiles(Section data, DataSpec spec)
    {
        if (spec.Idx is { } idx && (idx.TestImages is null) != (idx.TestLabels is null))
            throw data.Wrong("test_images", "test_images and test_labels belong together", "Give both or none.");
        if (spec.Idx?.TestImages is not null && data.Has("test"))
            throw data.Wrong("test", "a share is given beside test_images", "Give one of them.");
        if (spec.Csv?.TargetColumns is not { } targets)
            return;
        if (targets.Distinct().Count() < targets.Length)
            throw data.Wrong("target", "names a column twice", "Name each once.");
        if (spec.Csv.Classes is not null && targets.Length > 1)
            throw data.Wrong(
                "classes",
                $"one column holds the class, but {targets.Length} targets are named",
                "Name one target, or leave classes out."
            );
    }

    private static void CheckRows(Section data, DataSpec spec, Table table)
    {
        var training = table.Rows - table.HeldOut(spec.Test);
        if (training < 1)
            throw data.Wrong(
                "test",
                $"{spec.Test.ToString(CultureInfo.InvariantCulture)} of {table.Rows} rows leaves none for training",
                "Hold out fewer rows."
            );
        if (spec.Batch > training)
            throw data.Wrong(
                "batch",
                $"got {spec.Batch} rows, but only {training} are for training",
                $"Use at most {training}, or all."
            );
        if (spec.Microbatches > (spec.Batch ?? training))
            throw data.Wrong(
                "microbatches",
                $"got {spec.Microbatches} parts of {spec.Batch ?? training} rows",
                "Use at most one part a row."
            );
    }

    private static ModelSpec Fitted(Section model, ModelSpec spec, Table table)
    {
        var parameters = 0L;
        using var given = new GivenFiles();
        var layers = spec.Layers.ToBuilder();
        foreach (var (index, layer) in spec.Layers.Index())
        {
            var section = model.Item("layers", index);
            var inputs = spec.InputsOf(index + 1, table.Features);
            if (layer.Init == WeightInit.Mazur && (index > 1 || inputs != 2 || layer.Units != 2))
                throw section.Wrong(
                    "init",
                    $"mazur is for the tutorial's two layers of 2 inputs and 2 units, this is layer {index + 1} with "
                        + $"{inputs} inputs and {layer.Units} units",
                    "Choose another init."
                );
            if (layer.Given is { File: var file })
                layers[index] = layer with { Given = given.Read(file, index, layer.Units, inputs) };
            parameters += layer.Units * (inputs + 1L);
            if (parameters > MaxParameters)
                throw section.Wrong(
                    "units",
                    $"the model would have more than {MaxParameters.ToString("N0", CultureInfo.InvariantCulture)} "
                        + $"parameters",
                    "Use fewer units."
                );
        }

        CheckOutputs(model, spec, table);
        return spec with { Layers = layers.ToImmutable() };
    }

    private static void CheckOutputs(Section model, ModelSpec spec, Table table)
    {
        var (last, units) = (spec.Layers.Length, spec.Layers[^1].Units);
        var (has, wanted) = table.Classes is null
            ? ($"{table.TargetColumns} target columns", table.TargetColumns)
            : ($"{table.ClassCount} classes", table.ClassCount);
        if (!table.Accepts(units))
            throw new RunFileException(
                $"layer {last} has {units} outputs but the data has {has}",
                model.Item("layers", last - 1).PlaceOf("units"),
                $"Set model.layers[{last - 1}].units to {wanted}."
            );
        if (spec.Loss == LossKind.CrossEntropy && (table.Classes is null || units < 2))
            throw model.Wrong(
                "loss",
                $"cross_entropy needs one output for each class; the data has {has} and the last layer {units} units",
                "Use half_squared_error, or one unit a class."
            );
    }

    private static void CheckTraining(Section training, RunSpec spec, Table table)
    {
        var (epochs, update, stop) = (spec.Training.Epochs, spec.Training.Update, spec.Training.Stop);
        var heldOut = table.HeldOut(spec.Data.Test);
        var rows = table.Rows - heldOut;
        if ((double)epochs * rows / (spec.Data.Batch ?? rows) > int.MaxValue / 2)
            throw training.Wrong(
                "epochs",
                $"{epochs} epochs are more steps than can be counted",
                "Use fewer epochs or larger batches."
            );
        if (update == UpdateOrder.DuringBackward && spec.Data.Microbatches > 1)
            throw training.Wrong(
                "update",
                $"during-backward updates in the middle of a backward pass, which {spec.Data.Microbatches} "
                    + $"microbatches would each do apart",
                "Set data.microbatches to 1, or use after-backward."
            );
        if (stop is null)
            return;
        if (heldOut == 0)
            throw training.Wrong(
                "stop",
                "looks at test rows, and no row is held out",
                "Set data.test, for example to 0.2."
            );
        if (stop.Metric == StopMetric.TestLoss)
            return;
        var keys = training.Group("stop");
        if (table.Classes is null)
            throw keys.Wrong("metric", "test_accuracy needs classes, the data has real targets", "Use test_loss.");
        if (stop.At > 1)
            throw keys.Wrong(
                "at",
                $"got '{stop.At.ToString(CultureInfo.InvariantCulture)}', expected a share from 0 to 1",
                "Correct training.stop.at."
            );
    }

    private static void CheckOptimizer(Section optimizer, OptimizerSpec spec)
    {
        if (spec is Sgd { Nesterov: true } sgd && (sgd.Momentum == 0 || sgd.Dampening != 0))
            throw optimizer.Wrong(
                "nesterov",
                "needs a momentum above 0 and no dampening",
                "Set optimizer.momentum, for example to 0.9."
            );
    }

    private static void CheckGranularity(Section cluster, int units, ModelSpec model)
    {
        var widest = model.Layers.Max(layer => layer.Units);
        // Asked of the text: the largest number there is stands for layer inside, and would pass for it here.
        if (cluster.Text("granularity") is not (null or "layer") && units > widest)
            throw cluster.Wrong(
                "granularity",
                $"{units} units fit no layer: the widest has {widest}",
                $"Use at most {widest}, or layer."
            );
    }

    private static TraceSpec Trace(Section keys, TraceSpec trace, RunSpec spec, ClusterSpec cluster, Table table)
    {
        var model = spec.Model;
        var fewest = Math.Max(20, RollUp.Fewest(model.Layers.Length));
        if (keys.Has("max_spans") && trace.MaxSpans < fewest)
            throw keys.Wrong(
                "max_spans",
                $"got '{trace.MaxSpans}', expected at least {fewest} for {model.Layers.Length} layers",
                "Correct trace.max_spans."
            );
        var isReadable =
            cluster.Granularity == Granularity.Neuron
            && model.Layers.Sum(l => l.Units) <= AutoNeurons
            && (spec.Data.Batch ?? table.Rows) / spec.Data.Microbatches <= AutoRows;
        return trace with
        {
            Detail =
                trace.Detail != Words.AutoDetail ? trace.Detail
                : isReadable ? TraceDetail.Numbers
                : TraceDetail.Times,
            MaxSpans = Math.Max(trace.MaxSpans, fewest),
        };
    }

    [GeneratedRegex("[^a-z0-9._-]+")]
    private static partial Regex NotInNames();
}
