using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Data;
using BackpropCluster.Grains.Silos;
using Microsoft.Extensions.DependencyInjection;

namespace BackpropCluster.Cli.Runs;

/// <summary>What a user asked <c>train</c> for.</summary>
/// <param name="Path">The run file, if one was named.</param>
/// <param name="Sets">Values to replace.</param>
/// <param name="Resume">The run to go on with, if one was named.</param>
/// <param name="Directory">Where run folders are.</param>
internal sealed record TrainRequest(string? Path, string[]? Sets, string? Resume, string Directory);

/// <summary>A run and the silos that it is trained on: some inside this process, or a cluster's.</summary>
internal sealed class TrainingSession : IAsyncDisposable
{
    private readonly IAsyncDisposable silos;
    private readonly TrainRequest request;

    private TrainingSession(
        RunFile file,
        RunPlan plan,
        TrainRequest request,
        IAsyncDisposable silos,
        IGrainFactory grains
    ) => (File, Plan, this.request, this.silos, Grains) = (file, plan, request, silos, grains);

    public RunFile File { get; }

    public RunPlan Plan { get; }

    public IGrainFactory Grains { get; }

    /// <summary>Names of the silos, by their address in placements.</summary>
    public required IReadOnlyDictionary<string, string> Silos { get; init; }

    /// <summary>Where the silos are, for people.</summary>
    public required string Where { get; init; }

    /// <summary>The cluster; <see langword="null"/> for silos inside this process.</summary>
    public ClusterAddress? Cluster { get; private init; }

    /// <summary>The command that goes on with the run.</summary>
    public string GoOn =>
        $"backprop train --resume {Plan.Run}"
        + (Cluster is null ? "" : $" --cluster {Cluster}")
        + (request.Directory == "runs" ? "" : $" --run-dir {request.Directory}");

    /// <summary>Starts silos inside this process.</summary>
    public static async Task<TrainingSession> Embedded(TrainRequest request, int port, CancellationToken cancellation)
    {
        var file = await RunFileLoader.UntilASignal(
            () =>
                request.Resume is { } begun
                    ? Resumed(
                        request,
                        RunFolder.Read(request.Directory, begun, null),
                        sets => RunFolder.Read(request.Directory, begun, sets)
                    )
                    : RunFileLoader.Load(request.Path!, request.Sets),
            cancellation
        );
        var run = request.Resume ?? NewRun(request, file);
        var data = Planner.Load(file);
        var plan = Planner.Plan(run, file, data);
        var cluster = await EmbeddedCluster.Start(
            file.Cluster.Silos,
            port == 0 ? null : port,
            services => services.AddSingleton(DataCatalog.Holding(plan, data)).AddCheckpointFolder(request.Directory),
            file.Trace.Orleans,
            cancellation
        );
        return new TrainingSession(file, plan, request, cluster, cluster.Grains)
        {
            Silos = cluster
                .Silos.Select((silo, i) => (silo, Name: $"silo-{i + 1}"))
                .ToDictionary(s => s.silo, s => s.Name),
            Where = $"{file.Cluster.Silos} silo{(file.Cluster.Silos == 1 ? "" : "s")} in this process",
        };
    }

    /// <summary>Connects to a cluster. A run that it knows already is only watched, or gone on with where it ended
    /// early.</summary>
    public static async Task<TrainingSession> OfCluster(
        TrainRequest request,
        ClusterAddress address,
        CancellationToken cancellation
    )
    {
        // What can be wrong with the file is said before anybody is waited for.
        var file = request.Resume is null
            ? await RunFileLoader.UntilASignal(() => RunFileLoader.Load(request.Path!, request.Sets), cancellation)
            : null;
        var client = await ClusterClient.Connect(address, cancellation);
        try
        {
            var run = request.Resume ?? NewRun(request, file!);
            RunRecord? record = null;
            if (file is null)
            {
                record =
                    await client.Find(RunFolder.CheckedId(run), cancellation)
                    ?? throw new CommandFailedException(
                        ExitCode.Usage,
                        $"there is no run {run} in {address}. Nothing was started. See: backprop runs list "
                            + $"--cluster {address}"
                    );
                file = await RunFileLoader.UntilASignal(
                    () =>
                        Resumed(
                            request,
                            RunFile.Read($"{run}/run.yaml", record.RunFile, []),
                            sets => RunFile.Read($"{run}/run.yaml", record.RunFile, sets ?? [])
                        ),
                    cancellation
                );
            }

            var silos = await client.WaitForSilos(file.Cluster.Silos, cancellation);
            if (silos.FirstOrDefault(silo => silo.Version != ClusterSilo.ProgramVersion) is { } other)
                throw new ClusterUnreachableException(
                    $"silo {other.Name} of {address} runs version {other.Version}, this program is "
                        + $"{ClusterSilo.ProgramVersion}. Nothing was started. Use one version for silos and clients."
                );
            var plan = Planner.Plan(run, file, Planner.Load(file), address.IsRedis);
            // Its silos may hold the rows that it began with, or may read these: two halves of a run on different data.
            if (record is not null && record.Plan.DataSha256 != plan.DataSha256)
                throw new CommandFailedException(
                    ExitCode.File,
                    $"the data of run {run} changed since it began: they hash to {plan.DataSha256[..12]}…, expected "
                        + $"{record.Plan.DataSha256[..12]}…. Nothing was started. Restore the files, or train anew."
                );
            return new TrainingSession(file, plan, request, client, client.Grains)
            {
                Silos = silos.ToDictionary(s => s.Silo, s => s.Name),
                Where = $"{silos.Count} silos of {address}",
                Cluster = address,
            };
        }
        catch
        {
            await client.DisposeAsync();
            throw;
        }
    }

    /// <summary>The folder that the run is written into; <see langword="null"/> where another client writes a cluster's
    /// run there already.</summary>
    public RunFolder? OpenFolder()
    {
        var exists = RunFolder.Exists(request.Directory, Plan.Run);
        if (Cluster is not null && exists && RunFolder.IsHeld(RunFolder.PathOf(request.Directory, Plan.Run)))
            return null;
        return exists
            ? RunFolder.Reopen(request.Directory, Plan.Run)
            : RunFolder.Create(request.Directory, Plan.Run, File);
    }

    public ValueTask DisposeAsync() => silos.DisposeAsync();

    private static string NewRun(TrainRequest request, RunFile file)
    {
        var run = RunFolder.NewId(file.Spec.Name, TimeProvider.System.GetUtcNow());
        return !Directory.Exists(RunFolder.PathOf(request.Directory, run))
            ? run
            : throw new CommandFailedException(
                ExitCode.File,
                $"{RunFolder.PathOf(request.Directory, run)} exists already. Nothing was started. Start the command "
                    + $"again."
            );
    }

    private static RunFile Resumed(TrainRequest request, RunFile begun, Func<string[]?, RunFile> read)
    {
        var file = request.Path is null ? read(request.Sets) : RunFileLoader.Load(request.Path, request.Sets);
        // All lines decide about the result, but those that say where, how often to save and what to trace.
        string[] Deciding(RunFile f) => (f with { Cluster = begun.Cluster, Trace = begun.Trace }).ToYaml().Split('\n');
        var difference = Deciding(begun).Zip(Deciding(file)).FirstOrDefault(lines => lines.First != lines.Second);
        // Of two readings of the same files the first is meant: it is the one that was compared with what the run began
        // with.
        return difference == default && Deciding(begun).Length == Deciding(file).Length
            ? file with
            {
                Table = begun.Table,
                Spec = file.Spec with { Model = begun.Spec.Model },
            }
            : throw new CommandFailedException(
                ExitCode.Usage,
                $"run {request.Resume} was begun with '{difference.First?.Trim()}', this file says "
                    + $"'{difference.Second?.Trim()}': it would be another run. Nothing was started. Train it as a "
                    + $"new run, or change only cluster, trace, training.checkpoint_every, "
                    + $"training.keep_checkpoints and training.log_every."
            );
    }
}
