using System.CommandLine;
using System.Globalization;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.Processes;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Clustering;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>chaos RUN.yaml --kills N --seed S</c>: kills silo processes while they train, and compares the hash with
/// that of a loop that nobody disturbs.</summary>
internal static class ChaosVerb
{
    private const int SaveEvery = 5;

    // A client learns of nothing for three seconds if the silo that it talks to is killed. A save takes some ten
    // milliseconds, so that many between two kills leave the next one something to hit.
    private const int SavesAKill = 250;

    // A killed silo is back after some seconds, and a small run is over by then: others must be there for the next
    // kill.
    private const int Spares = 2;

    public static Command Create()
    {
        var path = Options.RunFile();
        var set = Options.Set();
        var kills = Options.WholeNumber("--kills", "How many silos are killed.", 5, 1, 1000);
        var seed = Options.WholeNumber("--seed", "Decides who dies, and when.", 1, 0, int.MaxValue);
        var cluster = Options.Cluster();
        cluster.Description =
            "A Redis of your own. Without it one is started where redis-server is installed; else the first silo is "
            + "spared.";
        var json = Options.Json();
        var chaos = new Command("chaos", "Kill silo processes while they train; not a bit may change")
        {
            path,
            set,
            kills,
            seed,
            cluster,
            json,
        };
        chaos.SetAction(
            async (parsed, cancellation) =>
                await Run(
                    await RunFileLoader.UntilASignal(
                        () => RunFileLoader.Load(parsed.GetValue(path)!, parsed.GetValue(set)),
                        cancellation
                    ),
                    parsed.GetValue(kills),
                    (ulong)parsed.GetValue(seed),
                    parsed.GetValue(cluster),
                    parsed.GetValue(json),
                    cancellation
                )
        );
        return chaos;
    }

    private static async Task<int> Run(
        RunFile file,
        int kills,
        ulong seed,
        ClusterAddress? given,
        bool json,
        CancellationToken cancellation
    )
    {
        var data = Planner.Load(file);
        // Each kill costs the steps since the newest checkpoint: a run that saved every half minute would never get
        // past them.
        var rule =
            file.Cluster.Checkpoints.Steps > 0
                ? file.Cluster.Checkpoints
                : new CheckpointRule(SaveEvery, TimeSpan.Zero);
        file = LongEnough(file, Planner.Plan("chaos", file, data).TrainingRows, kills, rule);
        var reference = ReferenceTrainer.Train(file.Spec, data).WeightsSha256;
        await using var redis = given is null ? await LocalRedis.Start(cancellation) : null;
        var address =
            given
            ?? (
                redis is not null && ClusterAddress.TryParse(redis.Url, out var own)
                    ? own
                    : ClusterAddress.Local(Ports.Free())
            );
        var folder = Directory.CreateTempSubdirectory("backprop-chaos-");
        try
        {
            await using var chaos = new Chaos(address, folder.FullName, seed, System.Console.Error.WriteLine);
            await chaos.Start(Math.Max(file.Cluster.Silos, 2) + Spares);
            await using var client = await ClusterClient.Connect(address, cancellation);
            var run = RunFolder.NewId(file.Spec.Name, TimeProvider.System.GetUtcNow());
            var outcome = await chaos.Train(
                client.Grains,
                Planner.Plan(run, file, data) with
                {
                    Checkpoints = rule,
                },
                kills,
                cancellation
            );
            return Report(
                outcome.Result?.WeightsSha256 ?? throw Failures.Of(outcome.Last, run),
                reference,
                outcome.Last.CommittedSteps,
                kills,
                chaos,
                json
            );
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    // A run that is over before the last kill would prove less than was asked for.
    private static RunFile LongEnough(RunFile file, int rows, int kills, CheckpointRule rule)
    {
        var epochs = file.Spec.Training.Epochs;
        var wanted = (int)
            Math.Ceiling(
                (double)kills * SavesAKill * rule.Steps / new BatchOrder(file.Spec.Data, 1, file.Spec.Seed, rows).Steps
            );
        if (wanted <= epochs)
            return file;
        System.Console.Error.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{wanted:N0} epochs instead of {epochs:N0}, so that each kill finds the run at work"
            )
        );
        return file with { Spec = file.Spec with { Training = file.Spec.Training with { Epochs = wanted } } };
    }

    private static int Report(string hash, string reference, int steps, int kills, Chaos chaos, bool json)
    {
        TimeSpan[] recoveries = [.. chaos.Recoveries.Order()];
        double? p95 =
            recoveries.Length == 0 ? null : recoveries[(int)Math.Ceiling(0.95 * recoveries.Length) - 1].TotalSeconds;
        if (json)
            Output.Json(
                new
                {
                    equal = hash == reference,
                    weightsSha256 = hash,
                    referenceSha256 = reference,
                    steps,
                    kills = chaos.Kills,
                    p95RecoverySeconds = p95,
                    recoverySeconds = recoveries.Select(r => r.TotalSeconds),
                    replayedSteps = chaos.Replayed,
                }
            );
        else
        {
            System.Console.Out.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{chaos.Kills} of {kills} kills, {steps:N0} steps, {chaos.Replayed:N0} computed again; from a "
                        + $"kill to the next new step {p95:0.0} s (p95)"
                )
            );
            System.Console.Out.WriteLine($"killed       {hash}");
            System.Console.Out.WriteLine($"undisturbed  {reference}");
        }

        return hash == reference
            ? ExitCode.Done
            : throw new CommandFailedException(
                ExitCode.VerificationFailed,
                "the two hashes differ: the promise of equal bits is broken. Please report it with the run file and "
                    + "--seed."
            );
    }
}
