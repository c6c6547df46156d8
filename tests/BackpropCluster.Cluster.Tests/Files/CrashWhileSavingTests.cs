using System.Collections.Immutable;
using BackpropCluster.Core.Learning;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Checkpoints;
using Orleans.Storage;

namespace BackpropCluster.ClusterTests;

/// <summary>A process dies between any two file operations of a save: the checkpoint before counts, or the new one,
/// whole.</summary>
public sealed class CrashWhileSavingTests(SavedRuns runs) : IClassFixture<SavedRuns>
{
    // The lead's head, two parts, the checkpoint, the head.
    private const int WritesOfASave = 5;
    private const int NewVersion = 8;

    [Fact]
    public async Task TheCheckpointBeforeIsUsedAndTheNextSaveSucceeds()
    {
        var (cases, moved) = (0, 0);
        for (var write = 0; write <= WritesOfASave; write++)
            foreach (var point in Enum.GetValues<CrashPoint>())
            {
                var folder = Directory.CreateTempSubdirectory("backprop-crashed-");
                try
                {
                    runs.Restore(folder);
                    moved += await CrashAndGoOn(folder.FullName, write, point) ? 1 : 0;
                    cases++;
                }
                finally
                {
                    folder.Delete(recursive: true);
                }
            }

        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{cases} crashes: the checkpoint before was used after {cases - moved}, the new one after {moved}; 0 "
                + $"wrong loads"
        );
        // Of the writes that crash only the head's own last operation makes the new checkpoint count; without a crash
        // it counts too.
        Assert.Equal(1 + Enum.GetValues<CrashPoint>().Length, moved);
    }

    private async Task<bool> CrashAndGoOn(string folder, int write, CrashPoint point)
    {
        var where = $"write {write}, {point}";
        var crashing = new CrashingFolder(folder, write, point);
        if (write < WritesOfASave)
            await Assert.ThrowsAsync<CrashException>(() => Save(crashing));
        else
            await Save(crashing);
        Assert.Equal(Math.Min(write + 1, WritesOfASave), crashing.Writes);

        var store = runs.Store(new FolderStorage(folder));
        var (_, id, checkpoint, warnings) = await store.Lead(runs.Plan);
        Assert.True(warnings.IsEmpty, $"{where}: {string.Join("; ", warnings)}");
        var truth = runs.Known.Single(k => k.Key.Version == 6).Value;
        var isNew = id!.Version == NewVersion;
        Assert.True(isNew || id.Version == 6, $"{where}: step {id.Version}");
        Assert.Equal(truth.Sha256, SavedRuns.HashOf(await store.Load(runs.Plan, id)));
        Assert.Equal(isNew ? NewVersion : 6, checkpoint!.Losses.Length);

        await Save(new FolderStorage(folder));
        Assert.Equal(NewVersion, (await store.Lead(runs.Plan)).Id!.Version);
        return isNew;
    }

    // A save that failed is tried again by the very store that failed: what it remembers of the first try must not be
    // taken for done.
    [Fact]
    public async Task TheStoreThatFailedSavesTheNextTime()
    {
        for (var write = 0; write < WritesOfASave; write++)
        {
            var folder = Directory.CreateTempSubdirectory("backprop-failed-");
            try
            {
                runs.Restore(folder);
                var (writes, failing) = (0, write);
                var store = runs.Store(new FailingFolder(folder.FullName, _ => writes++ == failing));
                await Assert.ThrowsAsync<IOException>(() => Save(store));
                await Save(store);
                Assert.Equal(
                    NewVersion,
                    (await runs.Store(new FolderStorage(folder.FullName)).Lead(runs.Plan)).Id!.Version
                );
            }
            finally
            {
                folder.Delete(recursive: true);
            }
        }
    }

    private Task Save(IGrainStorage storage) => Save(runs.Store(storage));

    // The newest checkpoint's parts, once more as those of two steps later.
    private async Task Save(CheckpointStore store)
    {
        var (term, _, checkpoint, _) = await store.Lead(runs.Plan);
        var digests = ImmutableArray.CreateBuilder<string>();
        foreach (var part in await runs.Actors(runs.Known.Keys.Single(k => k.Version == 6), NewVersion, term))
            digests.Add(await store.Save(runs.Plan.Run, part));
        await store.CommitCheckpoint(
            runs.Plan,
            term,
            checkpoint! with
            {
                Version = NewVersion,
                Parts = digests.ToImmutable(),
                Losses =
                [
                    .. checkpoint.Losses.Take(6),
                    new BatchMetrics(0.5, null, 4),
                    new BatchMetrics(0.25, null, 4),
                ],
            }
        );
    }
}
