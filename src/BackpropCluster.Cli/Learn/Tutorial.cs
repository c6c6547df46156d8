using BackpropCluster.Cli.Runs;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Cli.Learn;

/// <summary>M. Mazur's example as a run of this project.</summary>
internal static class Tutorial
{
    /// <summary>Up to this many rounds every round is told in full; beyond, the first ones and the last.</summary>
    public const int RoundsToldInFull = 10;

    public static RunPlan Plan(int rounds, UpdateOrder update, Granularity granularity)
    {
        var layer = new LayerSpec
        {
            Units = 2,
            Activation = Activation.Logistic,
            Init = WeightInit.Mazur,
            TrainBias = false,
        };
        var spec = new RunSpec
        {
            Name = "mazur",
            Seed = 1,
            Data = new DataSpec { Source = DataSource.Mazur, Shuffle = false },
            Model = new ModelSpec { Layers = [layer, layer], Loss = LossKind.HalfSquaredError },
            Optimizer = new Sgd { LearningRate = 0.5 },
            Training = new TrainingSpec
            {
                Epochs = rounds,
                Update = update,
                Evaluation = Evaluation.TrainingRowsAtTheEnd,
            },
        };
        return Planner.Plan($"learn-mazur-{rounds}-{update}-{granularity}", spec, granularity, Planner.Load(spec)) with
        {
            Trace = new TraceSpec(Math.Min(rounds, RoundsToldInFull), rounds),
        };
    }
}
