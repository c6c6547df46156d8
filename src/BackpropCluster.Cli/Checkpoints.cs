using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains;
using BackpropCluster.Grains.Checkpoints;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;

namespace BackpropCluster.Cli;

/// <summary>The checkpoints of one run in its folder, looked at without any silo.</summary>
internal sealed class Checkpoints : IAsyncDisposable
{
    private readonly ServiceProvider services;
    private readonly CheckpointStore store;
    private readonly string run;

    private Checkpoints(string directory, string run)
    {
        this.run = run;
        File = RunFolder.Read(directory, run, null);
        Plan = Planner.Plan(run, File, Planner.Load(File));
        services = new ServiceCollection().AddSerializer().AddCheckpointFolder(directory).BuildServiceProvider();
        store = services.GetRequiredService<CheckpointStore>();
    }

    public RunFile File { get; }

    public RunPlan Plan { get; }

    /// <exception cref="CommandFailedException">There is no such run.</exception>
    public static Checkpoints Open(string directory, string run) => new(directory, run);

    /// <summary>Every checkpoint that the run's head names, oldest first, and what is wrong with it.</summary>
    public async Task<List<Verified>> Verify()
    {
        var verified = new List<Verified>();
        if (await store.List(run) is not { } list) return verified;
        foreach (var warning in list.Warnings) System.Console.Error.WriteLine($"warning: {warning}");
        foreach (var id in list.Ids)
        {
            try
            {
                var checkpoint = await store.ReadCheckpoint(run, id);
                var model = await store.Load(Plan, id);
                verified.Add(new Verified(id, checkpoint, WeightsHash.Sha256(model.Parameters.Select(l => (l.Weights, l.Biases))), null));
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
        if (step == 0) return (0, InitialParameters());
        var known = await Verify();
        var found = step is null ? known.FindLast(v => v.Problem is null) : known.Find(v => v.Id.Version == step);
        if (found is null)
            throw new CommandFailedException(ExitCode.Usage, $"run {run} has no {(step is null ? "whole checkpoint" : $"checkpoint of step {step}")}. Nothing was written. It has those of steps {string.Join(", ", known.Select(v => v.Id.Version).Prepend(0))}; 0 is the initial model.");
        if (found.Problem is not null) throw new CommandFailedException(ExitCode.VerificationFailed, $"{found.Problem}. Nothing was written. Choose another --step; see: backprop checkpoint verify {run}");
        return (found.Id.Version, [.. (await store.Load(Plan, found.Id)).Parameters]);
    }

    public ValueTask DisposeAsync() => services.DisposeAsync();

    private List<LayerParameters> InitialParameters() => [.. Enumerable.Range(1, Plan.Depth).Select(layer =>
    {
        var slice = new DenseSlice(Plan.Spec, Plan.Features, layer, 0, Plan.Spec.Model.Layers[layer - 1].Units);
        return new LayerParameters(slice.Weights.Values, slice.Biases.Values);
    })];

    /// <param name="Id">Which checkpoint.</param>
    /// <param name="Checkpoint">What stands in it, if it is whole.</param>
    /// <param name="WeightsSha256">Of its parameters, if it is whole.</param>
    /// <param name="Problem">What is wrong with it.</param>
    internal sealed record Verified(CheckpointId Id, Checkpoint? Checkpoint, string? WeightsSha256, string? Problem);
}
