using System.Collections.Immutable;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;

namespace BackpropCluster.ClusterTests;

/// <summary>A folder keeps the newest checkpoints and the best one, and nothing that no head names grows in
/// it.</summary>
public sealed class KeptCheckpointsTests(SavedRuns runs) : IClassFixture<SavedRuns>, IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-kept-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task OnlyTheNewestTheBestAndThoseOfTheLastSaveLieThere()
    {
        var plan = runs.Plan with { Checkpoints = new CheckpointRule(2, TimeSpan.Zero, Keep: 2) };
        var store = runs.Store(new FolderStorage(folder.FullName));
        var (term, _, _, _) = await store.Lead(plan);
        for (var version = 2; version <= 20; version += 2)
            await Save(store, plan, version, term, best: 6);

        Assert.Equal([6, 18, 20], (await store.List(plan.Run))!.Value.Ids.Select(id => id.Version));
        Assert.Equal(
            ["step-16", "step-18", "step-20", "step-6"],
            Directory
                .EnumerateDirectories(Path.Combine(folder.FullName, plan.Run, "checkpoints"))
                .Select(path => Path.GetFileName(path)!.Split("-term")[0])
                .Order(StringComparer.Ordinal)
        );
        // What was left out and then kept is whole.
        foreach (var id in (await store.List(plan.Run))!.Value.Ids)
            await store.Load(plan, id);
    }

    [Fact]
    public async Task WithoutALimitAllAreKept()
    {
        var store = runs.Store(new FolderStorage(folder.FullName));
        var (term, _, _, _) = await store.Lead(runs.Plan);
        for (var version = 2; version <= 10; version += 2)
            await Save(store, runs.Plan, version, term, best: 6);
        Assert.Equal([2, 4, 6, 8, 10], (await store.List(runs.Plan.Run))!.Value.Ids.Select(id => id.Version));
    }

    // A save must not fail for what it no longer needs, and must not forget it.
    [Fact]
    public async Task WhatCannotBeDeletedIsDeletedWithTheNextSave()
    {
        var plan = runs.Plan with { Checkpoints = new CheckpointRule(2, TimeSpan.Zero, Keep: 1) };
        var store = runs.Store(new FolderStorage(folder.FullName));
        var (term, _, _, _) = await store.Lead(plan);
        foreach (var version in (int[])[2, 4])
            await Save(store, plan, version, term, best: 0);
        // Held by somebody: the folder's lock of one part of what is to be deleted now.
        var part = Path.Combine(folder.FullName, plan.Run, "checkpoints", $"step-2-term-{term}", "layer-1-part-0");
        await using (new FileStream(part + ".lock", FileMode.OpenOrCreate, FileAccess.Write, FileShare.None))
            await Save(store, plan, 6, term, best: 0);
        Assert.True(File.Exists(part));
        Assert.Equal([6], (await store.List(plan.Run))!.Value.Ids.Select(id => id.Version));
        await Save(store, plan, 8, term, best: 0);
        Assert.False(Directory.Exists(Path.GetDirectoryName(part)), $"{part} was not deleted with the next save");
    }

    private async Task Save(CheckpointStore store, RunPlan plan, int version, int term, int best)
    {
        var digests = ImmutableArray.CreateBuilder<string>();
        foreach (var part in await runs.Actors(runs.Known.Keys.Single(k => k.Version == 6), version, term))
            digests.Add(await store.Save(plan.Run, part));
        ImmutableArray<BatchMetrics> losses =
        [
            .. Enumerable.Range(1, version).Select(s => new BatchMetrics(1.0 / s, null, 4)),
        ];
        ImmutableArray<EvaluationMetrics> evaluations =
            best == 0
                ? []
                :
                [
                    .. Enumerable
                        .Range(1, version)
                        .Select(v => new EvaluationMetrics(v, new BatchMetrics(v == best ? 0.1 : 0.5, null, 4))),
                ];
        var checkpoint = new Checkpoint(version, plan.Granularity, digests.ToImmutable(), losses, evaluations, []);
        await store.CommitCheckpoint(plan, term, checkpoint);
    }
}
