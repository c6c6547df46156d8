using System.CommandLine;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.Learn;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Bench;
using BackpropCluster.Grains.Clustering;

namespace BackpropCluster.Cli.Verbs;

/// <summary>Logical messages of a training beside the bare runtime's.</summary>
internal static class MessageBench
{
    private static readonly int[] Layers = [64, 64, 10];

    public static async Task<int> Run(bool json, CancellationToken cancellation)
    {
        var rows = new List<BenchRow>();
        await using (var cluster = await EmbeddedCluster.Start(1, cancellation: cancellation))
        {
            var bare = await BareFanOut.Create(cluster.Grains, "bench", cluster.Silos, Layers);
            rows.Add(
                await BenchTurns.Compare(
                    "neuron grains of 64-64-64-10, batch 32, one silo",
                    "bare one-way fan-out",
                    turn =>
                        BenchTurns.PerSecond(
                            cluster.Grains,
                            NeuronGrains(turn, Layers),
                            plan => plan.MessagesPerStep,
                            cancellation
                        ),
                    _ => bare.Measure(150)
                )
            );
        }

        await BetweenProcesses(rows, cancellation);
        foreach (var direction in (CodecDirection[])[CodecDirection.Write, CodecDirection.Read])
            rows.Add(
                await BenchTurns.Compare(
                    $"payload codec, 16,384 values, {(direction == CodecDirection.Write ? "written" : "read")}",
                    "Orleans' own double[]",
                    _ => Task.FromResult(CodecBench.PayloadsPerSecond(direction)),
                    _ => Task.FromResult(CodecBench.ArraysPerSecond(direction))
                )
            );
        BenchTurns.Print(
            json,
            "messages/s",
            rows,
            new
            {
                rows = rows.Select(row => new
                {
                    name = row.Name,
                    messagesPerSecond = row.Rate,
                    baseline = row.Baseline,
                    baselinePerSecond = row.BaselineRate,
                    ratio = row.Ratio,
                }),
            }
        );
        return ExitCode.Done;
    }

    private static async Task BetweenProcesses(List<BenchRow> rows, CancellationToken cancellation)
    {
        await using var cluster = await ClusterBench.Start(2, cancellation);
        var bare = await BareFanOut.Create(cluster.Grains, "bench", cluster.Silos, Layers);
        rows.Add(
            await BenchTurns.Compare(
                "neuron grains of 64-64-64-10, batch 32, half of each layer on each of two silo processes",
                "bare one-way fan-out between them",
                turn =>
                    BenchTurns.PerSecond(
                        cluster.Grains,
                        NeuronGrains(turn, Layers),
                        plan => plan.MessagesPerStep,
                        cancellation
                    ),
                _ => bare.Measure(50)
            )
        );
        foreach (var hidden in (int[])[68, 220])
            rows.Add(
                await BenchTurns.Compare(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"growth: {NeuronGrains(0, [hidden, hidden, 10]).MessagesPerStep:N0} messages a step, "
                            + $"two silo processes"
                    ),
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{NeuronGrains(0, [20, 20, 10]).MessagesPerStep:N0} messages a step"
                    ),
                    turn =>
                        BenchTurns.PerSecond(
                            cluster.Grains,
                            NeuronGrains(turn, [hidden, hidden, 10]),
                            plan => plan.MessagesPerStep,
                            cancellation
                        ),
                    turn =>
                        BenchTurns.PerSecond(
                            cluster.Grains,
                            NeuronGrains(turn, [20, 20, 10]),
                            plan => plan.MessagesPerStep,
                            cancellation
                        )
                )
            );
    }

    // Half of each layer on each silo, where there are two.
    public static RunPlan NeuronGrains(int turn, int[] units)
    {
        var layers = units.Select(u => new LayerSpec
        {
            Units = u,
            Activation = Activation.Logistic,
            Init = WeightInit.GlorotUniform,
        });
        var spec = new RunSpec
        {
            Name = "bench",
            Seed = 1,
            Data = new DataSpec
            {
                Source = DataSource.Digits,
                Batch = 32,
                Scale = Scaling.MinMax,
            },
            Model = new ModelSpec { Layers = [.. layers], Loss = LossKind.HalfSquaredError },
            Optimizer = new Sgd { LearningRate = 1 },
            // So many that each model is measured for about half a second.
            Training = new TrainingSpec
            {
                Epochs =
                    units[0] <= 32 ? 8
                    : units[0] <= 128 ? 5
                    : 1,
            },
        };
        return Planner.Plan(
            $"bench-{string.Join('-', units)}-{turn}",
            spec,
            Granularity.Neuron,
            Planner.Load(spec)
        ) with
        {
            Placement = PlacementRule.ByShard,
        };
    }
}
