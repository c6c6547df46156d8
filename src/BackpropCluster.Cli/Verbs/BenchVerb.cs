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
using BackpropCluster.Grains.Data;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>bench messages|training|startup|memory|kernel</c>: rates and sizes, each beside its baseline measured in
/// the same process.</summary>
internal static class BenchVerb
{
    public static Command Create()
    {
        var json = Options.Json();
        var messages = new Command("messages", "Logical messages of a training beside the bare runtime's") { json };
        messages.SetAction((parsed, cancellation) => MessageBench.Run(parsed.GetValue(json), cancellation));
        var training = new Command("training", "Rounds of the tutorial on grains beside one loop without grains")
        {
            json,
        };
        training.SetAction((parsed, cancellation) => Training(parsed.GetValue(json), cancellation));
        var startup = new Command("startup", "Time until silos stand") { json };
        startup.SetAction((parsed, cancellation) => FootprintBench.Startup(parsed.GetValue(json), cancellation));
        var memory = new Command("memory", "Memory of a model's parameters and of a neuron's grain") { json };
        memory.SetAction((parsed, cancellation) => FootprintBench.Memory(parsed.GetValue(json), cancellation));
        var kernel = new Command("kernel", "Matrix products beside what a core can do at most") { json };
        kernel.SetAction(parsed => KernelBench.Run(parsed.GetValue(json)));
        return new Command("bench", "Measure rates and sizes on this machine")
        {
            messages,
            training,
            startup,
            memory,
            kernel,
        };
    }

    private static async Task<int> Training(bool json, CancellationToken cancellation)
    {
        var rows = new List<BenchRow>();
        await using (var cluster = await EmbeddedCluster.Start(1, cancellation: cancellation))
            foreach (var granularity in new[] { Granularity.Neuron, Granularity.Layer })
            {
                var plan = Tutorial.Plan(10_000, UpdateOrder.AfterBackward, granularity);
                var spec = plan.Spec;
                var data = Planner.Load(spec);
                rows.Add(
                    await BenchTurns.Compare(
                        $"10,000 rounds of the tutorial, {granularity} grains, one silo",
                        "one loop without grains",
                        turn =>
                            BenchTurns.PerSecond(
                                cluster.Grains,
                                Planner.Plan($"bench-{granularity}-{turn}", spec, granularity, data),
                                _ => 1,
                                cancellation
                            ),
                        _ => Task.FromResult(ReferencePerSecond(spec, data))
                    )
                );
            }

        rows.AddRange(await Seen(cancellation));
        rows.Add(await WideModel(cancellation));
        BenchTurns.Print(
            json,
            "rounds/s",
            rows,
            new
            {
                rows = rows.Select(row => new
                {
                    name = row.Name,
                    roundsPerSecond = row.Rate,
                    baseline = row.Baseline,
                    baselinePerSecond = row.BaselineRate,
                    ratio = row.Ratio,
                    remoteBytesPerStep = row.Crossing?.Bytes,
                    crossingSecondsPerStep = row.Crossing?.Seconds,
                }),
            }
        );
        return ExitCode.Done;
    }

    /// <summary>What it costs to be seen: steps that are traced as by default, and steps that are measured, beside
    /// steps that are neither.</summary>
    private static async Task<List<BenchRow>> Seen(CancellationToken cancellation)
    {
        await using var cluster = await EmbeddedCluster.Start(1, cancellation: cancellation);
        var rows = new List<BenchRow>();
        foreach (var granularity in new[] { Granularity.Neuron, Granularity.Layer })
        {
            Task<double> StepsPerSecond(string name, TraceSpec trace)
            {
                var plan = MessageBench.NeuronGrains(0, [64, 64, 10]);
                var training = plan.Spec.Training with { Epochs = granularity == Granularity.Neuron ? 30 : 300 };
                plan = plan with
                {
                    Run = $"{name}-{granularity}",
                    Granularity = granularity,
                    Spec = plan.Spec with { Training = training },
                    Trace = trace,
                };
                return BenchTurns.PerSecond(cluster.Grains, plan, _ => 1, cancellation);
            }

            var traced = new TraceSpec(3, 50, TraceDetail.Times);
            rows.Add(
                await BenchTurns.Compare(
                    $"steps of 64-64-64-10, batch 32, {granularity} grains, traced as by default",
                    "the same untraced",
                    turn => StepsPerSecond($"traced-{turn}", traced),
                    turn => StepsPerSecond($"untraced-{turn}", TraceSpec.None)
                )
            );
            rows.Add(
                await BenchTurns.Compare(
                    $"steps of 64-64-64-10, batch 32, {granularity} grains, every metric collected",
                    "the same unmeasured",
                    async turn =>
                    {
                        using var listener = new MeterListener
                        {
                            InstrumentPublished = (instrument, l) => l.EnableMeasurementEvents(instrument),
                        };
                        listener.SetMeasurementEventCallback<double>((_, _, _, _) => { });
                        listener.SetMeasurementEventCallback<long>((_, _, _, _) => { });
                        listener.Start();
                        return await StepsPerSecond($"measured-{turn}", TraceSpec.None);
                    },
                    turn => StepsPerSecond($"unmeasured-{turn}", TraceSpec.None)
                )
            );
        }

        return rows;
    }

    /// <summary>A wide model's steps on two silo processes beside those on one.</summary>
    private static async Task<BenchRow> WideModel(CancellationToken cancellation)
    {
        const int Batch = 128;
        await using var two = await ClusterBench.Start(2, cancellation);
        await using var one = await ClusterBench.Start(1, cancellation);
        var spec = new RunSpec
        {
            Name = "wide",
            Seed = 1,
            Data = two.Pictures(rows: 8 * Batch, Batch),
            Model = new ModelSpec
            {
                Layers =
                [
                    new()
                    {
                        Units = 256,
                        Activation = Activation.Relu,
                        Init = WeightInit.HeNormal,
                    },
                    new() { Units = 10, Activation = Activation.Identity },
                ],
                Loss = LossKind.CrossEntropy,
            },
            Optimizer = new Sgd { LearningRate = 0.01 },
            Training = new TrainingSpec { Epochs = 25 },
        };
        var data = Dataset.Prepare(DataFiles.Read(spec.Data), spec.Data, spec.Seed, 10);
        RunPlan PlanOf(string name, Granularity granularity) =>
            Planner.Plan(name, spec, granularity, data) with
            {
                Placement = PlacementRule.ByShard,
            };
        var bytes = 0L;
        var row = await BenchTurns.Compare(
            "steps of 784-256-10, batch 128, cut in two on two silo processes",
            "the same model on one silo process",
            async turn =>
            {
                var outcome = await two.Train(PlanOf($"wide-two-{turn}", new Granularity(128)), cancellation);
                bytes = outcome.Traffic.RemoteBytes / outcome.Last.Steps;
                return outcome.Last.Steps / outcome.Last.Elapsed.TotalSeconds;
            },
            async turn =>
                (await one.Train(PlanOf($"wide-one-{turn}", Granularity.Layer), cancellation)).Last is var last
                    ? last.Steps / last.Elapsed.TotalSeconds
                    : 0
        );
        return row with
        {
            Crossing = new Crossing(bytes, await two.CrossingSeconds(PlanOf("wide", Granularity.Layer), Batch)),
        };
    }

    private static double ReferencePerSecond(RunSpec spec, Dataset data)
    {
        var start = Stopwatch.GetTimestamp();
        var result = ReferenceTrainer.Train(spec, data);
        return result.Steps.Length / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
