using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.Verbs;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Silos;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;

namespace BackpropCluster.Cli.Runs;

/// <summary>The checkpoints of one run: in its folder, looked at without any silo, or in its cluster's store.</summary>
internal sealed class Checkpoints : IAsyncDisposable
{
    private readonly IAsyncDisposable owner;
    private readonly CheckpointStore store;
    private readonly RunPlan plan;
    private readonly string where;

    private Checkpoints(IAsyncDisposable owner, CheckpointStore store, RunPlan plan, string where) =>
        (this.owner, this.store, this.plan, this.where) = (owner, store, plan, where);

    /// <summary>The run file's text, with every default spelt out.</summary>
    public required string RunFile { get; init; }

    /// <exception cref="CommandFailedException">There is no such run.</exception>
    public static Checkpoints Open(string directory, string run)
    {
        var file = RunFolder.Read(directory, run, null);
        var services = new ServiceCollection().AddSerializer().AddCheckpointFolder(directory).BuildServiceProvider();
        var where = directory == "runs" ? "" : $" --run-dir {directory}";
        return new Checkpoints(
            services,
            services.GetRequiredService<CheckpointStore>(),
            Planner.Plan(run, file, Planner.Load(file)),
            where
        )
        {
            RunFile = file.ToYaml(),
        };
    }

    /// <exception cref="CommandFailedException">There is no such run.</exception>
    /// <exception cref="ClusterUnreachableException">No silo answers.</exception>
    public static async Task<Checkpoints> Open(ClusterAddress cluster, string run, CancellationToken cancellation)
    {
        var client = await ClusterClient.Connect(cluster, cancellation);
        try
        {
            var record = await RunsVerb.Known(client, cluster, run, cancellation);
            return new Checkpoints(client, client.Checkpoints, record.Plan, $" --cluster {cluster}")
            {
                RunFile = record.RunFile,
            };
        }
        catch
        {
            await client.DisposeAsync();
            throw;
        }
    }

    /// <summary>Every checkpoint that the run's manifest names, oldest first, and what is wrong with it.</summary>
    public async Task<List<Verified>> Verify()
    {
        var verified = new List<Verified>();
        if (await store.List(plan.Run) is not { } list)
            return verified;
        foreach (var warning in list.Warnings)
            Warn(warning);
        foreach (var id in list.Ids)
        {
            try
            {
                var checkpoint = await store.ReadCheckpoint(plan.Run, id);
                var model = await store.Load(plan, id);
                verified.Add(
                    new Verified(
                        id,
                        checkpoint,
                        WeightsHash.Sha256(model.Parameters.Select(l => (l.Weights, l.Biases))),
                        null
                    )
                );
            }
            catch (BrokenCheckpointException e)
            {
                verified.Add(new Verified(id, null, null, e.Message));
            }
        }

        return verified;
    }

    /// <summary>The parameters of a step: 0 is the initial model, no step the newest whole checkpoint.</summary>
    /// <exception cref="CommandFailedException">There is none of that step, or it is broken.</exception>
    public async Task<(int Step, IReadOnlyList<LayerParameters> Layers)> Parameters(int? step)
    {
        if (step == 0)
            return (0, InitialParameters());
        var (ids, warnings) = await store.List(plan.Run) ?? ([], []);
        foreach (var warning in warnings)
            Warn(warning);
        // Only what is asked for is loaded: a cluster's checkpoints come over the wire.
        foreach (var id in ids.Where(id => step is null || id.Version == step).Reverse())
        {
            try
            {
                return (id.Version, [.. (await store.Load(plan, id)).Parameters]);
            }
            catch (BrokenCheckpointException e) when (step is null)
            {
                Warn($"{e.Message}; the one before it is looked at");
            }
            catch (BrokenCheckpointException e)
            {
                throw new CommandFailedException(
                    ExitCode.VerificationFailed,
                    $"{e.Message}. Nothing was written. Choose another --step; see: backprop checkpoint verify "
                        + $"{plan.Run}{where}"
                );
            }
        }

        throw new CommandFailedException(
            ExitCode.Usage,
            $"run {plan.Run} has no {(step is null ? "whole checkpoint" : $"checkpoint of step {step}")}. Nothing "
                + $"was written. It has those of steps "
                + $"{string.Join(", ", ids.Select(id => id.Version).Prepend(0))}; 0 is the initial model."
        );
    }

    public ValueTask DisposeAsync() => owner.DisposeAsync();

    private static void Warn(string warning) => System.Console.Error.WriteLine($"warning: {warning}");

    private List<LayerParameters> InitialParameters() =>
        [
            .. Enumerable
                .Range(1, plan.Depth)
                .Select(layer =>
                {
                    var shard = new DenseShard(
                        plan.Spec,
                        plan.Features,
                        layer,
                        0,
                        plan.Spec.Model.Layers[layer - 1].Units
                    );
                    return new LayerParameters(shard.Weights.Values, shard.Biases.Values);
                }),
        ];

    /// <param name="Id">Which checkpoint.</param>
    /// <param name="Checkpoint">What stands in it, if it is whole.</param>
    /// <param name="WeightsSha256">Of its parameters, if it is whole.</param>
    /// <param name="Problem">What is wrong with it.</param>
    internal sealed record Verified(CheckpointId Id, Checkpoint? Checkpoint, string? WeightsSha256, string? Problem);
}
