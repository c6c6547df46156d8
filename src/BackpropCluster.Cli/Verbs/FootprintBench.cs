using System.Diagnostics;
using System.Globalization;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>bench startup|memory</c>: what is paid before the first step, and what a model costs while it
/// waits.</summary>
internal static class FootprintBench
{
    private const int Turns = 5;
    private static readonly TimeSpan StepDeadline = TimeSpan.FromSeconds(30);

    public static async Task<int> Startup(bool json, CancellationToken cancellation)
    {
        var rows = new List<object>();
        foreach (var silos in new[] { 1, 3 })
        {
            var seconds = new List<double>();
            for (var turn = 0; turn < Turns; turn++)
            {
                var start = Stopwatch.GetTimestamp();
                await using var cluster = await EmbeddedCluster.Start(silos, cancellation: cancellation);
                seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            }

            var name = silos == 1 ? "one silo" : $"{silos} silos in one process";
            // The first one compiles the runtime: what a user waits for is the first, what a test pays is the median of
            // the others.
            var (first, median) = (seconds[0], seconds[1..].Order().ElementAt((Turns - 1) / 2));
            rows.Add(
                new
                {
                    name,
                    firstSeconds = first,
                    seconds = median,
                }
            );
            if (!json)
                System.Console.Out.WriteLine(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{name, -24} {first, 7:0.00} s the first time, {median:0.00} s then (median of {Turns - 1})"
                    )
                );
        }

        if (json)
            Output.Json(new { rows });
        return ExitCode.Done;
    }

    public static async Task<int> Memory(bool json, CancellationToken cancellation)
    {
        await using var cluster = await EmbeddedCluster.Start(1, cancellation: cancellation);
        await Grown(cluster, "warm-up", Granularity.Layer, OptimizerKind.Sgd, [64, 64], cancellation);
        await Grown(cluster, "warm-up-neurons", Granularity.Neuron, OptimizerKind.Sgd, [64, 64], cancellation);
        var rows = new List<object>();
        foreach (var kind in new[] { OptimizerKind.Sgd, OptimizerKind.Adam })
        {
            var (bytes, plan) = await Grown(
                cluster,
                $"layers-{kind}",
                Granularity.Layer,
                kind,
                [2048, 2048],
                cancellation
            );
            var parameters = 8.0 * plan.Spec.Model.Parameters(plan.Features);
            var state = plan.Spec.Optimizer.StateSize * BothEnds(plan);
            rows.Add(
                new
                {
                    name = $"2-2048-2048-1, layer grains, {RunFiles.Words.Of(RunFiles.Words.Optimizers, kind)}",
                    parameterBytes = parameters,
                    stateBytes = state,
                    bytes,
                    ratio = (bytes - state) / parameters,
                    limit = 2.2,
                }
            );
            if (!json)
                System.Console.Out.WriteLine(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"2-2048-2048-1, layer grains, {kind, -5} {bytes / 1e6, 8:0.0} MB, {state / 1e6:0.0} of it "
                            + $"optimizer state: {(bytes - state) / parameters:0.00} × the parameters' "
                            + $"{parameters / 1e6:0.0} MB (limit 2.2)"
                    )
                );
        }

        var (grown, neurons) = await Grown(
            cluster,
            "neurons",
            Granularity.Neuron,
            OptimizerKind.Sgd,
            [512, 256],
            cancellation
        );
        var perGrain = (grown - BothEnds(neurons)) / neurons.ShardCount;
        rows.Add(
            new
            {
                name = "2-512-256-1, neuron grains, sgd, batch 1",
                grains = neurons.ShardCount,
                bytesPerGrainBeyondWeights = perGrain,
                limit = 12_000,
            }
        );
        if (json)
            Output.Json(new { rows });
        else
            System.Console.Out.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"2-512-256-1, neuron grains     {perGrain / 1e3:0.0} kB a grain beyond its weights, "
                        + $"{neurons.ShardCount} grains (limit 12)"
                )
            );
        return ExitCode.Done;
    }

    /// <summary>Bytes of all weights where they live: biases once, W of inner layers twice.</summary>
    private static double BothEnds(RunPlan plan)
    {
        var sum = plan.Spec.Model.Parameters(plan.Features);
        for (var layer = 2; layer <= plan.Depth; layer++)
            sum += (long)plan.Spec.Model.Layers[layer - 1].Units * plan.Spec.Model.Layers[layer - 2].Units;
        return 8.0 * sum;
    }

    /// <summary>Managed memory that a trained model holds on to, beyond what was held before.</summary>
    private static async Task<(double Bytes, RunPlan Plan)> Grown(
        EmbeddedCluster cluster,
        string run,
        Granularity granularity,
        OptimizerKind kind,
        int[] hidden,
        CancellationToken cancellation
    )
    {
        var (bytes, plan) = (double.PositiveInfinity, (RunPlan?)null);
        for (var turn = 0; turn < 2 * Turns; turn++)
        {
            var before = GC.GetTotalMemory(forceFullCollection: true);
            plan = await Train(cluster, $"{run}-{turn}", granularity, kind, hidden, cancellation);
            // The runtime's pools keep messages for a while, and with them the parameters that were just read: a copy
            // that is not the model's. Others take their place, sooner or later; the least of some turns is the model
            // alone.
            await Train(cluster, $"{run}-{turn}-after", granularity, kind, [8, 8], cancellation);
            bytes = Math.Min(bytes, GC.GetTotalMemory(forceFullCollection: true) - before);
        }

        return (bytes, plan!);
    }

    private static async Task<RunPlan> Train(
        EmbeddedCluster cluster,
        string run,
        Granularity granularity,
        OptimizerKind kind,
        int[] hidden,
        CancellationToken cancellation
    )
    {
        var layers = hidden
            .Append(10)
            .Select(units => new LayerSpec
            {
                Units = units,
                Activation = Activation.Logistic,
                Init = WeightInit.GlorotUniform,
            });
        var spec = new RunSpec
        {
            Name = "bench",
            Seed = 1,
            // A few steps of one row: arrays of activations grow with the batch and are the data's cost, not the
            // model's.
            Data = new DataSpec { Source = DataSource.Xor, Batch = 1 },
            Model = new ModelSpec
            {
                Layers = [.. layers.SkipLast(1), layers.Last() with { Units = 1 }],
                Loss = LossKind.HalfSquaredError,
            },
            Optimizer = OptimizerSpec.Defaults(kind, 0.1),
            // The evaluation proves to every shard that the last step is committed, so that no update waits beside the
            // parameters.
            Training = new TrainingSpec
            {
                Epochs = 1,
                Evaluation =
                    granularity == Granularity.Layer ? Evaluation.TrainingRowsAtTheEnd : Evaluation.TestRowsEachEpoch,
            },
        };
        var plan = Planner.Plan(run, spec, granularity, Planner.Load(spec));
        var last =
            granularity == Granularity.Layer
                ? await Follow(cluster, plan)
                : (await TrainingClient.Train(cluster.Grains, plan, StepDeadline, cancellation: cancellation)).Last;
        return last.Status == RunStatus.Completed ? plan : throw Failures.Of(last, run);
    }

    // Without reading the parameters: of a wide layer a client's copy, and the messages that brought it, would be
    // counted as the model's.
    private static async Task<RunProgress> Follow(EmbeddedCluster cluster, RunPlan plan)
    {
        var coordinator = cluster.Grains.GetGrain<ICoordinatorGrain>(plan.Run);
        await coordinator.Start(plan, 0, StepDeadline, "");
        while (await coordinator.Watch(0, 0) is { } progress)
            if (progress.IsOver)
                return progress;
        throw new ClusterLostException($"run {plan.Run} lost its coordinator. Start the command again.");
    }
}
