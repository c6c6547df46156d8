using System.Collections.Immutable;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Runtime;
using Orleans.Serialization;
using Orleans.Storage;

namespace BackpropCluster.Tests.Wire;

/// <summary>Every kind of record that a run leaves in a store, written by the product's own store and catalog: names
/// and sealed bytes.</summary>
internal sealed class StoredRun : IGrainStorage, IRunNames
{
    private readonly SortedDictionary<string, byte[]> records = new(StringComparer.Ordinal);

    /// <summary>Bytes by the names of the records.</summary>
    public IReadOnlyDictionary<string, byte[]> Records => records;

    public static async Task<StoredRun> Save(Serializer serializer)
    {
        var run = new StoredRun();
        var sealing = new SealedRecords(run, serializer);
        var (plan, key) = (WireSamples.Plan, WireSamples.Key with { Run = WireSamples.Plan.Fingerprint });
        var catalog = new RunCatalog(sealing, run, NullLogger<RunCatalog>.Instance);
        await catalog.Enter(new RunRecord(plan, TimeSpan.FromSeconds(10), "version: 1\n", RunStatus.Training, null, 0));

        var store = new CheckpointStore(sealing);
        var granted = await store.AcquireLeadership(new AcquireLeadership(key with { Term = 0 }, plan));
        var term = granted.Key.Term;
        var part = await store.Save(
            plan.Run,
            new SaveShard(
                key with
                {
                    Term = term,
                    Step = WireSamples.Checkpoint.Version,
                },
                plan.ShardsOf(1)[0],
                WireSamples.Snapshot
            )
        );
        await store.CommitCheckpoint(plan, term, WireSamples.Checkpoint with { Parts = [part] });
        // Written by itself: a block of the store's own size holds four thousand steps.
        await sealing.WriteNew(
            $"{plan.Run}/checkpoints/scores-0",
            new MetricsBlock(WireSamples.Checkpoint.Losses, WireSamples.Checkpoint.Evaluations)
        );
        return run;
    }

    public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        grainState.RecordExists = records.TryGetValue(grainId.Key.ToString()!, out var bytes);
        grainState.State = (T)(object)new StoredBytes { Bytes = bytes ?? [] };
        return Task.CompletedTask;
    }

    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        records[grainId.Key.ToString()!] = ((StoredBytes)(object)grainState.State!).Bytes;
        return Task.CompletedTask;
    }

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        throw new NotSupportedException("a first checkpoint drops none");

    public Task<ImmutableArray<string>> Runs() => throw new NotSupportedException("the index of runs is whole");
}
