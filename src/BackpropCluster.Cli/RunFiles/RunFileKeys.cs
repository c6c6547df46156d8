using BackpropCluster.Cli.Runs;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using static BackpropCluster.Cli.RunFiles.Kinds;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>Every key of a run file, once: its name, what may be its value, and where that goes. Reader, writer,
/// schema, bounds and suggestions follow from here.</summary>
/// <remarks>In the order in which they are written. A default is what the described record begins with. Inner groups
/// come first, because the outer ones are made of them.</remarks>
internal static class RunFileKeys
{
    private static readonly TimeSpan LongestDeadline = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan LongestInterval = TimeSpan.FromDays(1);

    private static readonly Group<IdxFiles> Idx = new Group<IdxFiles>()
        .Required("images", FilePath, f => f.Images, (f, v) => f with { Images = v! })
        .Required("labels", FilePath, f => f.Labels, (f, v) => f with { Labels = v! })
        .Optional("test_images", FilePath, f => f.TestImages, (f, v) => f with { TestImages = v })
        .Optional("test_labels", FilePath, f => f.TestLabels, (f, v) => f with { TestLabels = v });

    private static readonly Many<string> Columns = new(
        Column,
        "a column's name or index, or a list of them",
        alone: true
    );

    private static readonly Group<CsvFile> Csv = new Group<CsvFile>()
        .Required("file", FilePath, f => f.File, (f, v) => f with { File = v! })
        .Optional("header", Flag, f => f.Header, (f, v) => f with { Header = v })
        .Required("target", Columns, f => [.. f.TargetColumns], (f, v) => f with { Targets = string.Join('\n', v) })
        .Optional("classes", Whole(2, 1_000_000).OrNull(), f => f.Classes, (f, v) => f with { Classes = v });

    private static readonly Group<DataSpec> Data = new Group<DataSpec>(new() { Source = default }, lines: true)
        .Required(
            "source",
            Choice(Words.Sources),
            d => d.Source,
            (d, v) =>
                d with
                {
                    Source = v,
                    Idx = v == DataSource.Idx ? new IdxFiles("", "", null, null) : null,
                    Csv = v == DataSource.Csv ? new CsvFile("", true, "", null) : null,
                }
        )
        .Include(Idx, d => d.Idx!, (d, v) => d with { Idx = v })
        .Include(Csv, d => d.Csv!, (d, v) => d with { Csv = v })
        .Optional("batch", Whole(1).Or(("all", 0)), d => d.Batch ?? 0, (d, v) => d with { Batch = v == 0 ? null : v })
        .Optional("microbatches", Whole(1), d => d.Microbatches, (d, v) => d with { Microbatches = v })
        .Optional("shuffle", Flag, d => d.Shuffle, (d, v) => d with { Shuffle = v })
        .Optional(
            "test",
            Number(from: 0, below: 1).OrNull(),
            d => d.Idx?.TestImages is null ? d.Test : null,
            (d, v) => d with { Test = v!.Value }
        )
        .Optional("scale", Choice(Words.Scalings), d => d.Scale, (d, v) => d with { Scale = v });

    // A file stands in braces; its parameters are loaded once it is known which layer they are for.
    private static readonly Kind<(WeightInit Kind, string? File)> Init = new Group<(WeightInit Kind, string? File)>()
        .Required("file", FilePath, i => i.File, (_, v) => (WeightInit.GlorotUniform, v))
        .Or([.. Words.Inits.Select(i => (i.Item1, (i.Item2, (string?)null)))]);

    private static readonly LayerSpec BareLayer = new()
    {
        Units = 1,
        Activation = default,
        Init = WeightInit.GlorotUniform,
    };

    private static readonly Group<LayerSpec> Layer = new Group<LayerSpec>(BareLayer)
        .Required("units", Whole(1, 1_000_000), l => l.Units, (l, v) => l with { Units = v })
        .Required("activation", Choice(Words.Activations), l => l.Activation, (l, v) => l with { Activation = v })
        .Optional(
            "init",
            Init,
            l => (Kind: l.Init, l.Given?.File),
            (l, v) => l with { Init = v.Kind, Given = v.File is null ? null : new GivenParameters([], [], v.File) }
        )
        .Optional("train_bias", Flag, l => l.TrainBias, (l, v) => l with { TrainBias = v });

    private static readonly ModelSpec BareModel = new() { Layers = [], Loss = default };

    private static readonly Group<ModelSpec> Model = new Group<ModelSpec>(BareModel, lines: true)
        .Required(
            "layers",
            new Many<LayerSpec>(Layer, "at least one layer", lines: true),
            m => m.Layers,
            (m, v) => m with { Layers = v }
        )
        .Required("loss", Choice(Words.Losses), m => m.Loss, (m, v) => m with { Loss = v });

    // In steps, not epochs: a rate is a pure function of the step.
    private static readonly Group<Schedule> Rates = new Group<Schedule>(new())
        .Required("kind", Choice(Words.Schedules), s => s.Kind, (s, v) => s with { Kind = v })
        .Optional("warm_up", Whole(0), s => s.WarmUp, (s, v) => s with { WarmUp = v })
        .Required("every", Whole(1), s => s.Every, (s, v) => s with { Every = v }, IsStep)
        .Required("factor", Number(above: 0, to: 1), s => s.Factor, (s, v) => s with { Factor = v }, IsStep)
        .Required("over", Whole(1), s => s.Over, (s, v) => s with { Over = v }, IsCosine)
        .Optional("final", Number(from: 0), s => s.Final, (s, v) => s with { Final = v }, IsCosine);

    // PyTorch's names and defaults, and only those that the kind uses.
    private static readonly Group<Sgd> Sgd = new Group<Sgd>()
        .Optional("momentum", Number(0), o => o.Momentum, (o, v) => o with { Momentum = v })
        .Optional("dampening", Number(), o => o.Dampening, (o, v) => o with { Dampening = v })
        .Optional("nesterov", Flag, o => o.Nesterov, (o, v) => o with { Nesterov = v });

    private static readonly Group<Adagrad> Adagrad = new Group<Adagrad>()
        .Optional("lr_decay", Number(0), o => o.LrDecay, (o, v) => o with { LrDecay = v })
        .Optional("eps", Number(0), o => o.Eps, (o, v) => o with { Eps = v })
        .Optional(
            "initial_accumulator_value",
            Number(0),
            o => o.InitialAccumulator,
            (o, v) => o with { InitialAccumulator = v }
        );

    private static readonly Group<RmsProp> RmsProp = new Group<RmsProp>()
        .Optional("alpha", Number(from: 0, below: 1), o => o.Alpha, (o, v) => o with { Alpha = v })
        .Optional("eps", Number(0), o => o.Eps, (o, v) => o with { Eps = v })
        .Optional("momentum", Number(0), o => o.Momentum, (o, v) => o with { Momentum = v })
        .Optional("centered", Flag, o => o.Centered, (o, v) => o with { Centered = v });

    private static readonly Group<Adam> Adam = new Group<Adam>()
        .Optional(
            "betas",
            new Many<double>(Number(from: 0, below: 1), "two numbers such as [0.9, 0.999]", exactly: 2),
            o => [o.Beta1, o.Beta2],
            (o, v) => o with { Beta1 = v[0], Beta2 = v[1] }
        )
        .Optional("eps", Number(0), o => o.Eps, (o, v) => o with { Eps = v });

    private static readonly Group<OptimizerSpec> Optimizer = new Group<OptimizerSpec>(new Sgd { LearningRate = 0 })
        .Required("kind", Choice(Words.Optimizers), o => o.Kind, (o, v) => OptimizerSpec.Defaults(v, o.LearningRate))
        .Required("learning_rate", Number(above: 0), o => o.LearningRate, (o, v) => o with { LearningRate = v })
        .Include(Sgd, o => (o as Sgd)!, (_, v) => v)
        .Include(Adagrad, o => (o as Adagrad)!, (_, v) => v)
        .Include(RmsProp, o => (o as RmsProp)!, (_, v) => v)
        .Include(Adam, o => (o as Adam)!, (_, v) => v)
        .Optional("weight_decay", Number(0), o => o.WeightDecay, (o, v) => o with { WeightDecay = v })
        .Optional(
            "schedule",
            Rates,
            o => o.Schedule == Schedule.Constant ? null! : o.Schedule,
            (o, v) => o with { Schedule = v }
        );

    private static readonly Group<StopRule> Stop = new Group<StopRule>(new(default, 0))
        .Required("metric", Choice(Words.StopMetrics), s => s.Metric, (s, v) => s with { Metric = v })
        .Required("at", Number(0), s => s.At, (s, v) => s with { At = v });

    private static readonly Group<CheckpointRule> Checkpoints = new Group<CheckpointRule>()
        .Optional(
            "checkpoint_every",
            StepsOrTime(LongestInterval),
            c => (c.Steps, c.Interval),
            (c, v) => c with { Steps = v.Steps, Interval = v.Interval }
        )
        .Optional("keep_checkpoints", Whole(1).Or(("all", 0)), c => c.Keep, (c, v) => c with { Keep = v });

    // What cannot change a result is no part of the training's spec, wherever a user looks for it.
    private static readonly Group<RunKeys> Training = new Group<RunKeys>()
        .Required("epochs", Whole(1), r => r.Training.Epochs, (r, v) => r.With(r.Training with { Epochs = v }))
        .Optional(
            "update",
            Choice(Words.Updates),
            r => r.Training.Update,
            (r, v) => r.With(r.Training with { Update = v })
        )
        .Include(Checkpoints, r => r.Cluster.Checkpoints, (r, v) => r.With(r.Cluster with { Checkpoints = v }))
        .Optional("log_every", Whole(0), r => r.Cluster.LogEvery, (r, v) => r.With(r.Cluster with { LogEvery = v }))
        .Optional("stop", Stop, r => r.Training.Stop!, (r, v) => r.With(r.Training with { Stop = v }));

    private static readonly Kind<Granularity> Units = Whole(1, of: "units")
        .As(units => new Granularity(units), granularity => granularity.Units)
        .Or(("neuron", Granularity.Neuron), ("layer", Granularity.Layer));

    private static readonly Group<ClusterSpec> Cluster = new Group<ClusterSpec>()
        .Optional("silos", Whole(1, 64), c => c.Silos, (c, v) => c with { Silos = v })
        .Optional("granularity", Units, c => c.Granularity, (c, v) => c with { Granularity = v })
        .Optional("placement", Choice(Words.Placements), c => c.Placement, (c, v) => c with { Placement = v })
        .Optional("step_deadline", Time(LongestDeadline), c => c.StepDeadline, (c, v) => c with { StepDeadline = v })
        .Optional("give_up_after", Time(LongestInterval), c => c.GiveUpAfter, (c, v) => c with { GiveUpAfter = v });

    private static readonly Group<TraceSpec> Trace = new Group<TraceSpec>()
        .Optional("first", Whole(0), t => t.First, (t, v) => t with { First = v })
        .Optional("every", Whole(0), t => t.Every, (t, v) => t with { Every = v })
        .Optional("detail", Choice(Words.Details), t => t.Detail, (t, v) => t with { Detail = v })
        .Optional("max_spans", Whole(20, 100_000), t => t.MaxSpans, (t, v) => t with { MaxSpans = v })
        .Optional("orleans", Flag.OrNull(), t => t.Orleans ? true : null, (t, v) => t with { Orleans = v!.Value });

    private static readonly Kind<string> Name = Word(
        "[a-z0-9][a-z0-9._-]{0,63}",
        "a word of small letters, digits, '.', '_' and '-', at most 64, a letter or digit first"
    );

    /// <summary>The whole file.</summary>
    public static Group<RunKeys> Root { get; } =
        new Group<RunKeys>()
            .Required("version", Whole(1, 1), _ => 1, (r, _) => r)
            .Optional("name", Name, r => r.Run.Name, (r, v) => r.With(r.Run with { Name = v }))
            .Optional("seed", Seed, r => r.Run.Seed, (r, v) => r.With(r.Run with { Seed = v }))
            .Required("data", Data, r => r.Run.Data, (r, v) => r.With(r.Run with { Data = v }))
            .Required("model", Model, r => r.Run.Model, (r, v) => r.With(r.Run with { Model = v }))
            .Required("optimizer", Optimizer, r => r.Run.Optimizer, (r, v) => r.With(r.Run with { Optimizer = v }))
            .Required("training", Training, r => r, (_, v) => v)
            .Optional("cluster", Cluster, r => r.Cluster, (r, v) => r.With(v))
            .Optional("trace", Trace, r => r.Trace, (r, v) => r with { Trace = v });

    private static bool IsStep(Schedule schedule) => schedule.Kind == ScheduleKind.Step;

    private static bool IsCosine(Schedule schedule) => schedule.Kind == ScheduleKind.Cosine;
}

/// <summary>What the keys of a run file say, before it is known whether they fit the rows.</summary>
internal sealed record RunKeys(RunSpec Run, ClusterSpec Cluster, TraceSpec Trace)
{
    public TrainingSpec Training => Run.Training;

    public RunKeys With(RunSpec run) => this with { Run = run };

    public RunKeys With(TrainingSpec training) => With(Run with { Training = training });

    public RunKeys With(ClusterSpec cluster) => this with { Cluster = cluster };
}
