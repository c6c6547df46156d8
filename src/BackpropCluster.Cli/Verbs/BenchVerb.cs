using System.CommandLine;
using System.Diagnostics;
using System.Diagnostics.Metrics;
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

/// <summary><c>bench messages|training|startup|memory|kernel</c>: rates and sizes, each beside its baseline measured in the same process.</summary>
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
        var kernel = new Command("kernel", "Matrix products beside what a core can do at most") { json };
        kernel.SetAction(parsed => KernelBench.Run(parsed.GetValue(json)));
        return new Command("bench", "Measure rates and sizes on this machine") { messages, training, startup, memory, kernel };
    }

    private static async Task<int> Messages(bool json, CancellationToken cancellation)
    {
        var rows = new List<BenchRow>();
        await using (var cluster = await EmbeddedCluster.Start(1, cancellation: cancellation))
        {
            var bare = await BareFanOut.Create(cluster.Grains, "bench", cluster.Silos, Layers);
            rows.Add(await Compare(
                "neuron grains of 64-64-64-10, batch 32, one silo",
                "bare one-way fan-out",
                turn => PerSecond(cluster.Grains, NeuronGrains(turn, Layers), plan => plan.MessagesPerStep, cancellation),
                _ => bare.Measure(150)));
        }

        await using (var cluster = await ClusterBench.Start(2, cancellation))
        {
            var bare = await BareFanOut.Create(cluster.Grains, "bench", cluster.Silos, Layers);
            rows.Add(await Compare(
                "neuron grains of 64-64-64-10, batch 32, half of each layer on each of two silo processes",
                "bare one-way fan-out between them",
                turn => PerSecond(cluster.Grains, NeuronGrains(turn, Layers), plan => plan.MessagesPerStep, cancellation),
                _ => bare.Measure(50)));
            foreach (var hidden in (int[])[68, 220])
                rows.Add(await Compare(
                    string.Create(CultureInfo.InvariantCulture, $"growth: {NeuronGrains(0, [hidden, hidden, 10]).MessagesPerStep:N0} messages a step, two silo processes"),
                    string.Create(CultureInfo.InvariantCulture, $"{NeuronGrains(0, [20, 20, 10]).MessagesPerStep:N0} messages a step"),
                    turn => PerSecond(cluster.Grains, NeuronGrains(turn, [hidden, hidden, 10]), plan => plan.MessagesPerStep, cancellation),
                    turn => PerSecond(cluster.Grains, NeuronGrains(turn, [20, 20, 10]), plan => plan.MessagesPerStep, cancellation)));
        }

        foreach (var direction in (CodecDirection[])[CodecDirection.Write, CodecDirection.Read])
            rows.Add(await Compare(
                $"payload codec, 16,384 values, {(direction == CodecDirection.Write ? "written" : "read")}",
                "Orleans' own double[]",
                _ => Task.FromResult(CodecBench.PayloadsPerSecond(direction)),
                _ => Task.FromResult(CodecBench.ArraysPerSecond(direction))));
        Print(json, "messages/s", rows, new { rows = rows.Select(row => new { name = row.Name, messagesPerSecond = row.Rate, baseline = row.Baseline, baselinePerSecond = row.BaselineRate, ratio = row.Ratio }) });
        return ExitCode.Done;
    }

    // Half of each layer on each silo, where there are two.
    private static RunPlan NeuronGrains(int turn, int[] units)
    {
        var layers = units.Select(u => new LayerSpec { Units = u, Activation = Activation.Logistic, Init = WeightInit.GlorotUniform });
        var spec = new RunSpec
        {
            Name = "bench",
            Seed = 1,
            Data = new DataSpec { Source = DataSource.Digits, Batch = 32, Scale = Scaling.MinMax },
            Model = new ModelSpec { Layers = [.. layers], Loss = LossKind.HalfSquaredError },
            Optimizer = new OptimizerSpec { LearningRate = 1 },
            // So many that each model is measured for about half a second.
            Training = new TrainingSpec { Epochs = units[0] <= 32 ? 8 : units[0] <= 128 ? 5 : 1 },
        };
        return Planner.Plan($"bench-{string.Join('-', units)}-{turn}", spec, Granularity.Neuron, Planner.Load(spec)) with { Placement = PlacementRule.ByShard };
    }

    private static async Task<int> Training(bool json, CancellationToken cancellation)
    {
        var rows = new List<BenchRow>();
        await using (var cluster = await EmbeddedCluster.Start(1, cancellation: cancellation))
            foreach (var granularity in new[] { Granularity.Neuron, Granularity.Layer })
            {
                var plan = Tutorial.Plan(10_000, UpdateOrder.AfterBackward, granularity);
                var spec = plan.Spec with { Trace = TraceSpec.None };
                var data = Planner.Load(spec);
                rows.Add(await Compare(
                    $"10,000 rounds of the tutorial, {granularity} grains, one silo",
                    "one loop without grains",
                    turn => PerSecond(cluster.Grains, Planner.Plan($"bench-{granularity}-{turn}", spec, granularity, data), _ => 1, cancellation),
                    _ => Task.FromResult(ReferencePerSecond(spec, data))));
            }

        rows.AddRange(await Seen(cancellation));
        rows.Add(await WideModel(cancellation));
        Print(json, "rounds/s", rows, new { rows = rows.Select(row => new { name = row.Name, roundsPerSecond = row.Rate, baseline = row.Baseline, baselinePerSecond = row.BaselineRate, ratio = row.Ratio, remoteBytesPerStep = row.Crossing?.Bytes, crossingSecondsPerStep = row.Crossing?.Seconds }) });
        return ExitCode.Done;
    }

    /// <summary>What it costs to be seen: steps that are traced as by default, and steps that are measured, beside steps that are neither.</summary>
    private static async Task<List<BenchRow>> Seen(CancellationToken cancellation)
    {
        await using var cluster = await EmbeddedCluster.Start(1, cancellation: cancellation);
        var rows = new List<BenchRow>();
        foreach (var granularity in new[] { Granularity.Neuron, Granularity.Layer })
        {
            RunPlan Plan(string name, TraceSpec trace)
            {
                var plan = NeuronGrains(0, Layers);
                return plan with { Run = name, Granularity = granularity, Spec = plan.Spec with { Trace = trace, Training = plan.Spec.Training with { Epochs = granularity == Granularity.Neuron ? 30 : 300 } } };
            }

            var traced = new TraceSpec(3, 50, TraceDetail.Times);
            rows.Add(await Compare(
                $"steps of 64-64-64-10, batch 32, {granularity} grains, traced as by default",
                "the same untraced",
                turn => PerSecond(cluster.Grains, Plan($"traced-{granularity}-{turn}", traced), _ => 1, cancellation),
                turn => PerSecond(cluster.Grains, Plan($"untraced-{granularity}-{turn}", TraceSpec.None), _ => 1, cancellation)));
            rows.Add(await Compare(
                $"steps of 64-64-64-10, batch 32, {granularity} grains, every metric collected",
                "the same unmeasured",
                async turn =>
                {
                    using var listener = new MeterListener { InstrumentPublished = (instrument, l) => l.EnableMeasurementEvents(instrument) };
                    listener.SetMeasurementEventCallback<double>((_, _, _, _) => { });
                    listener.SetMeasurementEventCallback<long>((_, _, _, _) => { });
                    listener.Start();
                    return await PerSecond(cluster.Grains, Plan($"measured-{granularity}-{turn}", TraceSpec.None), _ => 1, cancellation);
                },
                turn => PerSecond(cluster.Grains, Plan($"unmeasured-{granularity}-{turn}", TraceSpec.None), _ => 1, cancellation)));
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
            Model = new ModelSpec { Layers = [new() { Units = 256, Activation = Activation.Relu, Init = WeightInit.HeNormal }, new() { Units = 10, Activation = Activation.Identity }], Loss = LossKind.CrossEntropy },
            Optimizer = new OptimizerSpec { LearningRate = 0.01 },
            Training = new TrainingSpec { Epochs = 25 },
        };
        var data = Dataset.Prepare(DataFiles.Read(spec.Data), spec.Data, spec.Seed, 10);
        RunPlan PlanOf(string name, Granularity granularity) => Planner.Plan(name, spec, granularity, data) with { Placement = PlacementRule.ByShard };
        var bytes = 0L;
        var row = await Compare(
            "steps of 784-256-10, batch 128, cut in two on two silo processes",
            "the same model on one silo process",
            async turn =>
            {
                var outcome = await two.Train(PlanOf($"wide-two-{turn}", new Granularity(128)), cancellation);
                bytes = outcome.Traffic.RemoteBytes / outcome.Last.Steps;
                return outcome.Last.Steps / outcome.Last.Elapsed.TotalSeconds;
            },
            async turn => (await one.Train(PlanOf($"wide-one-{turn}", Granularity.Layer), cancellation)).Last is var last ? last.Steps / last.Elapsed.TotalSeconds : 0);
        return row with { Crossing = new Crossing(bytes, await two.CrossingSeconds(PlanOf("wide", Granularity.Layer), Batch)) };
    }

    private static async Task<BenchRow> Compare(string name, string baseline, Func<int, Task<double>> measure, Func<int, Task<double>> measureBaseline)
    {
        var (rates, baselineRates) = (new List<double>(), new List<double>());
        for (var turn = 0; turn < WarmUps + Turns; turn++)
        {
            // Each goes first as often as the other: what comes second finds the first one's garbage.
            var (b, r) = turn % 2 == 0 ? (await measureBaseline(turn), await measure(turn)) : (0, await measure(turn));
            if (turn % 2 == 1) b = await measureBaseline(turn);
            if (turn < WarmUps) continue;
            baselineRates.Add(b);
            rates.Add(r);
        }

        return new BenchRow(name, Median(rates), baseline, Median(baselineRates), Median([.. rates.Zip(baselineRates, (r, b) => r / b)]));
    }

    private static async Task<double> PerSecond(IGrainFactory grains, RunPlan plan, Func<RunPlan, long> perStep, CancellationToken cancellation)
    {
        var outcome = await TrainingClient.Train(grains, plan, StepDeadline, cancellation: cancellation);
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
            if (row.Crossing is { } crossing) System.Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {crossing.Bytes,12:N0} bytes a step cross; one array after the other they would take {crossing.Seconds * 1e3:0.00} ms"));
        }
    }

    private sealed record BenchRow(string Name, double Rate, string Baseline, double BaselineRate, double Ratio, Crossing? Crossing = null);

    /// <param name="Bytes">Of arrays, a step.</param>
    /// <param name="Seconds">That they take to cross, one after the other.</param>
    private sealed record Crossing(long Bytes, double Seconds);
}
