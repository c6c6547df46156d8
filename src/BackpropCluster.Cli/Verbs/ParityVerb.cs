using System.CommandLine;
using System.Globalization;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Data;
using Microsoft.Extensions.DependencyInjection;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>parity RUN.yaml</c>: trains one run file in every cut on every number of silos; the bits must be the
/// same.</summary>
internal static class ParityVerb
{
    public static Command Create()
    {
        var path = Options.RunFile();
        var set = Options.Set();
        var granularity = Options.Granularities(Granularity.Neuron, Granularity.Layer);
        var silos = Options.SiloCounts(1, 3);
        var json = Options.Json();
        var parity = new Command("parity", "Prove that cuts and silos change no bit")
        {
            path,
            set,
            granularity,
            silos,
            json,
        };
        parity.SetAction(
            async (parsed, cancellation) =>
                await Run(
                    await RunFileLoader.UntilASignal(
                        () => RunFileLoader.Load(parsed.GetValue(path)!, parsed.GetValue(set)),
                        cancellation
                    ),
                    parsed.GetValue(granularity)!,
                    parsed.GetValue(silos)!,
                    parsed.GetValue(json),
                    cancellation
                )
        );
        return parity;
    }

    private static async Task<int> Run(
        RunFile file,
        Granularity[] cuts,
        int[] siloCounts,
        bool json,
        CancellationToken cancellation
    )
    {
        var widest = file.Spec.Model.Layers.Max(layer => layer.Units);
        if (Array.Find(cuts, c => c != Granularity.Layer && c.Units > widest) is { Units: > 0 } misfit)
            throw new CommandFailedException(
                ExitCode.Usage,
                $"--granularity {misfit} fits no layer: the widest has {widest} units. Nothing was started."
            );

        var data = Planner.Load(file);
        var plan = Planner.Plan("parity", file.Spec, Granularity.Layer, data);
        var rows = new List<ParityRow> { ParityRow.Of("reference", 0, ReferenceTrainer.Train(file.Spec, data)) };
        if (!json)
            Print(rows[0]);
        foreach (var silos in siloCounts)
        {
            await using var cluster = await EmbeddedCluster.Start(
                silos,
                configure: services => services.AddSingleton(DataCatalog.Holding(plan, data)),
                cancellation: cancellation
            );
            foreach (var cut in cuts)
            {
                rows.Add(
                    ParityRow.Of(
                        cut.ToString(),
                        silos,
                        await Train(cluster, file, data, $"parity-{silos}-{cut}", cut, cancellation)
                    )
                );
                if (!json)
                    Print(rows[^1]);
            }
        }

        var equal = rows.TrueForAll(row =>
            row.Equals(rows[0] with { Granularity = row.Granularity, Silos = row.Silos })
        );
        if (json)
            Output.Json(new { equal, rows });
        if (!equal)
            throw new CommandFailedException(
                ExitCode.VerificationFailed,
                "the rows above differ: the promise of equal bits is broken. Please report it with the run file."
            );
        if (!json)
            System.Console.Out.WriteLine($"{rows.Count} trainings, one hash");
        return ExitCode.Done;
    }

    private static async Task<TrainingResult> Train(
        EmbeddedCluster cluster,
        RunFile file,
        Dataset data,
        string run,
        Granularity cut,
        CancellationToken cancellation
    )
    {
        var outcome = await TrainingClient.Train(
            cluster.Grains,
            Planner.Plan(run, file.Spec, cut, data),
            file.Cluster.StepDeadline,
            cancellation: cancellation
        );
        return outcome.Result ?? throw Failures.Of(outcome.Last, run);
    }

    private static void Print(ParityRow row) =>
        System.Console.Out.WriteLine(
            $"{row.Granularity, -10} "
                + $"{(row.Silos == 0 ? "no grains" : $"{row.Silos} silo{(row.Silos == 1 ? "" : "s")}"), -9} "
                + $"{row.WeightsSha256}"
        );

    /// <param name="Granularity">The cut, or "reference".</param>
    /// <param name="Silos">How many; 0 for the reference, which needs none.</param>
    /// <param name="WeightsSha256">Of the trained parameters.</param>
    /// <param name="LossesSha256">Of every step's and every evaluation's metrics.</param>
    private sealed record ParityRow(string Granularity, int Silos, string WeightsSha256, string LossesSha256)
    {
        public static ParityRow Of(string granularity, int silos, TrainingResult result) =>
            new(
                granularity,
                silos,
                result.WeightsSha256,
                WeightsHash.Sha256([
                    ([.. result.Steps.Select(s => s.Loss)], [.. result.Steps.Select(s => s.Accuracy ?? double.NaN)]),
                    (
                        [.. result.Evaluations.Select(e => e.Score.Loss)],
                        [.. result.Evaluations.Select(e => e.Score.Accuracy ?? double.NaN)]
                    ),
                ])
            );
    }
}
