using System.CommandLine;
using System.Globalization;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>cluster status --cluster URL</c>: who is a member, what runs, and how fast.</summary>
internal static class ClusterVerb
{
    public static Command Create()
    {
        var (cluster, json) = (Options.Cluster(required: true), Options.Json());
        var status = new Command("status", "Show the silos of a cluster and what runs on them") { cluster, json };
        status.SetAction(
            (parsed, cancellation) => Status(parsed.GetValue(cluster)!, parsed.GetValue(json), cancellation)
        );
        return new Command("cluster", "Look at a cluster of silo processes") { status };
    }

    private static async Task<int> Status(ClusterAddress address, bool json, CancellationToken cancellation)
    {
        await using var client = await ClusterClient.Connect(address, cancellation);
        var silos = await client.Silos(cancellation);
        var runs = new List<RunningRun>();
        foreach (
            var entry in (await client.Ask(grains => grains.GetGrain<IClusterGrain>(0).Runs(), cancellation)).Where(r =>
                !r.Status.IsOver()
            )
        )
            runs.Add(
                RunningRun.Of(
                    entry.Run,
                    await client.Ask(
                        grains => grains.GetGrain<ICoordinatorGrain>(entry.Run).Watch(int.MaxValue, int.MaxValue),
                        cancellation
                    )
                )
            );
        if (json)
        {
            Output.Json(
                new
                {
                    cluster = address.ToString(),
                    silos = silos.Select(s => new
                    {
                        s.Name,
                        address = s.Silo,
                        s.Version,
                        shards = s.Actors,
                        s.MemoryBytes,
                        s.HeldBytes,
                    }),
                    runs,
                }
            );
            return ExitCode.Done;
        }

        System.Console.Out.WriteLine($"{address}: {silos.Count} silos");
        foreach (var silo in silos)
        {
            var actors = silo
                .Actors.OrderBy(p => p.Key, StringComparer.Ordinal)
                .Select(p => $"{p.Key}: {p.Value} actors");
            System.Console.Out.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{silo.Name, -20} {silo.MemoryBytes / 1_048_576.0, 6:N0} MiB  "
                ) + (silo.Actors.IsEmpty ? "nothing" : string.Join(", ", actors))
            );
        }

        foreach (var run in runs)
            System.Console.Out.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{run.Run, -40} {run.Status, -10} step {run.Step:N0} of {run.Steps:N0}, "
                        + $"{Output.Rate(run.StepsPerSecond)} steps/s"
                )
            );
        if (runs.Count == 0)
            System.Console.Out.WriteLine("no run is unfinished");
        return ExitCode.Done;
    }

    /// <param name="Run">Its id.</param>
    /// <param name="Status">training, saving, …; waiting where nobody leads it yet.</param>
    /// <param name="Step">Steps committed.</param>
    /// <param name="Steps">Of all.</param>
    /// <param name="StepsPerSecond">Since its leader began.</param>
    private sealed record RunningRun(string Run, string Status, int Step, int Steps, double StepsPerSecond)
    {
        public static RunningRun Of(string run, RunProgress? progress) =>
            progress is null
                ? new(run, "waiting", 0, 0, 0)
                : new(
                    run,
                    progress.Status.ToString().ToLowerInvariant(),
                    progress.CommittedSteps,
                    progress.Steps,
                    progress.Elapsed > TimeSpan.Zero
                        ? (progress.CommittedSteps - progress.FirstVersion) / progress.Elapsed.TotalSeconds
                        : 0
                );
    }
}
