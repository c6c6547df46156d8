using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using BackpropCluster.Cli.Learn;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Bench;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>bench messages|training|startup|memory</c>: rates and sizes, each beside its baseline measured in the same process.</summary>
internal static class BenchVerb
{
    // Both sides in turn, so that a noisy neighbour hits both; the first turns warm up the runtime and are thrown away.
    private const int WarmUps = 3;
    private const int Turns = 7;
    private static readonly int[] Layers = [64, 64, 10];
    private static readonly TimeSpan StepDeadline = TimeSpan.FromSeconds(10);

    public static Command Create()
    {
        var json = Options.Json();
        var messages = new Command("messages", "Logical messages of a training beside the bare runtime's") { json };
        messages.SetAction((parsed, cancellation) => Messages(parsed.GetValue(json), cancellation));
        var training = new Command("training", "Rounds of the tutorial on grains beside one loop without grains") { json };
        training.SetAction((parsed, cancellation) => Training(parsed.GetValue(json), cancellation));
        var startup = new Command("startup", "Time until silos stand") { json };
        startup.SetAction((parsed, cancellation) => FootprintBench.Startup(parsed.GetValue(json), cancellation));
        var memory = new Command("memory", "Memory of a model's parameters and of a neuron's grain") { json };
        memory.SetAction((parsed, cancellation) => FootprintBench.Memory(parsed.GetValue(json), cancellation));
        return new Command("bench", "Measure rates and sizes on this machine") { messages, training, startup, memory };
    }

    private static async Task<int> Messages(bool json, CancellationToken cancellation)
    {
        await using var cluster = await EmbeddedCluster.Start(1, cancellation: cancellation);
        var bare = await BareFanOut.Create(cluster.Grains, "bench", cluster.Silos, Layers);
        var layers = Layers.Select(units => new LayerSpec { Units = units, Activation = Activation.Logistic, Init = WeightInit.GlorotUniform });
        var spec = new RunSpec
        {
            Name = "bench",
            Seed = 1,
            Data = new DataSpec { Source = DataSource.Digits, Batch = 32, Scale = Scaling.MinMax },
            Model = new ModelSpec { Layers = [.. layers], Loss = LossKind.HalfSquaredError },
            Optimizer = new OptimizerSpec { LearningRate = 1 },
            Training = new TrainingSpec { Epochs = 5 },
        };
        var data = Planner.Load(spec);
        var row = await Compare(
            "neuron grains of 64-64-64-10, batch 32, one silo",
            "bare one-way fan-out",
            turn => PerSecond(cluster, Planner.Plan($"bench-{turn}", spec, Granularity.Neuron, data), plan => plan.MessagesPerStep, cancellation),
            _ => bare.Measure(300));
        Print(json, "messages/s", [row], new { rows = new[] { new { name = row.Name, messagesPerSecond = row.Rate, baseline = row.Baseline, baselinePerSecond = row.BaselineRate, ratio = row.Ratio } } });
        return ExitCode.Done;
    }

    private static async Task<int> Training(bool json, CancellationToken cancellation)
    {
        await using var cluster = await EmbeddedCluster.Start(1, cancellation: cancellation);
        var rows = new List<BenchRow>();
        foreach (var granularity in new[] { Granularity.Neuron, Granularity.Layer })
        {
            var plan = Tutorial.Plan(10_000, UpdateOrder.AfterBackward, granularity);
            var spec = plan.Spec with { Trace = TraceSpec.None };
            var data = Planner.Load(spec);
            rows.Add(await Compare(
                $"10,000 rounds of the tutorial, {granularity} grains, one silo",
                "one loop without grains",
                turn => PerSecond(cluster, Planner.Plan($"bench-{granularity}-{turn}", spec, granularity, data), _ => 1, cancellation),
                _ => Task.FromResult(ReferencePerSecond(spec, data))));
        }

        Print(json, "rounds/s", rows, new { rows = rows.Select(row => new { name = row.Name, roundsPerSecond = row.Rate, baseline = row.Baseline, baselinePerSecond = row.BaselineRate, ratio = row.Ratio }) });
        return ExitCode.Done;
    }

    private static async Task<BenchRow> Compare(string name, string baseline, Func<int, Task<double>> measure, Func<int, Task<double>> measureBaseline)
    {
        var (rates, baselineRates) = (new List<double>(), new List<double>());
        for (var turn = 0; turn < WarmUps + Turns; turn++)
        {
            var (b, r) = (await measureBaseline(turn), await measure(turn));
            if (turn < WarmUps) continue;
            baselineRates.Add(b);
            rates.Add(r);
        }

        return new BenchRow(name, Median(rates), baseline, Median(baselineRates), Median([.. rates.Zip(baselineRates, (r, b) => r / b)]));
    }

    private static async Task<double> PerSecond(EmbeddedCluster cluster, RunPlan plan, Func<RunPlan, long> perStep, CancellationToken cancellation)
    {
        var outcome = await TrainingClient.Train(cluster.Grains, plan, StepDeadline, cancellation: cancellation);
        if (outcome.Result is null) throw Failures.Of(outcome.Last, plan.Run);
        return outcome.Last.CommittedSteps * perStep(plan) / outcome.Last.Elapsed.TotalSeconds;
    }

    private static double ReferencePerSecond(RunSpec spec, Dataset data)
    {
        var start = Stopwatch.GetTimestamp();
        var result = ReferenceTrainer.Train(spec, data);
        return result.Steps.Length / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }

    private static void Print(bool json, string unit, IEnumerable<BenchRow> rows, object result)
    {
        if (json)
        {
            Output.Json(result);
            return;
        }

        foreach (var row in rows)
        {
            System.Console.Out.WriteLine(row.Name);
            System.Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {row.Rate,12:N0} {unit}"));
            System.Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {row.BaselineRate,12:N0} {unit}  {row.Baseline}"));
            System.Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {row.Ratio,12:0.00} ratio, median of {Turns} turns"));
        }
    }

    private sealed record BenchRow(string Name, double Rate, string Baseline, double BaselineRate, double Ratio);
}
