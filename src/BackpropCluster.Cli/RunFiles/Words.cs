using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>The words of a run file and what they stand for, for reading and writing alike.</summary>
internal static class Words
{
    public static (string, DataSource)[] Sources { get; } =
    [
        ("mazur", DataSource.Mazur),
        ("xor", DataSource.Xor),
        ("iris", DataSource.Iris),
        ("digits", DataSource.Digits),
        ("spiral", DataSource.Spiral),
        ("csv", DataSource.Csv),
        ("idx", DataSource.Idx),
    ];

    public static (string, Scaling)[] Scalings { get; } =
    [("none", Scaling.None), ("minmax", Scaling.MinMax), ("standard", Scaling.Standard)];

    public static (string, Activation)[] Activations { get; } =
    [
        ("identity", Activation.Identity),
        ("logistic", Activation.Logistic),
        ("tanh", Activation.Tanh),
        ("relu", Activation.Relu),
        ("silu", Activation.Silu),
    ];

    public static (string, WeightInit)[] Inits { get; } =
    [
        ("he_normal", WeightInit.HeNormal),
        ("he_uniform", WeightInit.HeUniform),
        ("glorot_normal", WeightInit.GlorotNormal),
        ("glorot_uniform", WeightInit.GlorotUniform),
        ("mazur", WeightInit.Mazur),
    ];

    public static (string, LossKind)[] Losses { get; } =
    [
        ("half_squared_error", LossKind.HalfSquaredError),
        ("mean_squared_error", LossKind.MeanSquaredError),
        ("cross_entropy", LossKind.CrossEntropy),
    ];

    public static (string, OptimizerKind)[] Optimizers { get; } =
    [
        ("sgd", OptimizerKind.Sgd),
        ("adam", OptimizerKind.Adam),
        ("adamw", OptimizerKind.AdamW),
        ("adagrad", OptimizerKind.Adagrad),
        ("rmsprop", OptimizerKind.RmsProp),
    ];

    public static (string, ScheduleKind)[] Schedules { get; } =
    [("constant", ScheduleKind.Constant), ("step", ScheduleKind.Step), ("cosine", ScheduleKind.Cosine)];

    public static (string, StopMetric)[] StopMetrics { get; } =
    [("test_accuracy", StopMetric.TestAccuracy), ("test_loss", StopMetric.TestLoss)];

    public static (string, UpdateOrder)[] Updates { get; } =
    [("after-backward", UpdateOrder.AfterBackward), ("during-backward", UpdateOrder.DuringBackward)];

    public static (string, PlacementRule)[] Placements { get; } =
    [
        ("spread", PlacementRule.Spread),
        ("pack", PlacementRule.Pack),
        ("by-layer", PlacementRule.ByLayer),
        ("by-shard", PlacementRule.ByShard),
    ];

    /// <summary>What stands for the automatic choice until the reader has made it.</summary>
    public const TraceDetail AutoDetail = (TraceDetail)byte.MaxValue;

    public static (string, TraceDetail)[] Details { get; } =
    [("auto", AutoDetail), ("times", TraceDetail.Times), ("numbers", TraceDetail.Numbers)];

    /// <summary>The word for a value.</summary>
    public static string Of<T>((string Word, T Value)[] words, T value)
        where T : struct => Array.Find(words, w => w.Value.Equals(value)).Word;
}
