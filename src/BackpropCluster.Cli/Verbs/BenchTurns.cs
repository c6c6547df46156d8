using System.CommandLine;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.Learn;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Bench;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Clustering;

namespace BackpropCluster.Cli.Verbs;

/// <summary>Measures two sides in turn, and prints rows of them.</summary>
internal static class BenchTurns
{
    // Both sides in turn, so that a noisy neighbour hits both; the first turns warm up the runtime and are thrown away.
    private const int WarmUps = 3;
    private const int Turns = 7;
    private static readonly TimeSpan StepDeadline = TimeSpan.FromSeconds(10);

    public static async Task<BenchRow> Compare(
        string name,
        string baseline,
        Func<int, Task<double>> measure,
        Func<int, Task<double>> measureBaseline
    )
    {
        var (rates, baselineRates) = (new List<double>(), new List<double>());
        for (var turn = 0; turn < WarmUps + Turns; turn++)
        {
            // Each goes first as often as the other: what comes second finds the first one's garbage.
            var (b, r) = turn % 2 == 0 ? (await measureBaseline(turn), await measure(turn)) : (0, await measure(turn));
            if (turn % 2 == 1)
                b = await measureBaseline(turn);
            if (turn < WarmUps)
                continue;
            baselineRates.Add(b);
            rates.Add(r);
        }

        return new BenchRow(
            name,
            Median(rates),
            baseline,
            Median(baselineRates),
            Median([.. rates.Zip(baselineRates, (r, b) => r / b)])
        );
    }

    public static async Task<double> PerSecond(
        IGrainFactory grains,
        RunPlan plan,
        Func<RunPlan, long> perStep,
        CancellationToken cancellation
    )
    {
        var outcome = await TrainingClient.Train(grains, plan, StepDeadline, cancellation: cancellation);
        if (outcome.Result is null)
            throw Failures.Of(outcome.Last, plan.Run);
        return outcome.Last.CommittedSteps * perStep(plan) / outcome.Last.Elapsed.TotalSeconds;
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }

    public static void Print(bool json, string unit, IEnumerable<BenchRow> rows, object result)
    {
        if (json)
        {
            Output.Json(result);
            return;
        }

        foreach (var row in rows)
        {
            System.Console.Out.WriteLine(row.Name);
            System.Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {row.Rate, 12:N0} {unit}"));
            System.Console.Out.WriteLine(
                string.Create(CultureInfo.InvariantCulture, $"  {row.BaselineRate, 12:N0} {unit}  {row.Baseline}")
            );
            System.Console.Out.WriteLine(
                string.Create(CultureInfo.InvariantCulture, $"  {row.Ratio, 12:0.00} ratio, median of {Turns} turns")
            );
            if (row.Crossing is { } crossing)
                System.Console.Out.WriteLine(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"  {crossing.Bytes, 12:N0} bytes a step cross; one array after the other they would take "
                            + $"{crossing.Seconds * 1e3:0.00} ms"
                    )
                );
        }
    }
}

internal sealed record BenchRow(
    string Name,
    double Rate,
    string Baseline,
    double BaselineRate,
    double Ratio,
    Crossing? Crossing = null
);

/// <param name="Bytes">Of arrays, a step.</param>
/// <param name="Seconds">That they take to cross, one after the other.</param>
internal sealed record Crossing(long Bytes, double Seconds);
