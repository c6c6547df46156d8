using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using Orleans.Storage;

namespace BackpropCluster.ClusterTests;

/// <summary>Of two coordinators of a run the one with the lower term saves nothing any more, and of two that write at
/// the same moment one does.</summary>
public sealed class FencingTests(SavedRuns runs) : IClassFixture<SavedRuns>, IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-fenced-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task ACoordinatorOfAnEarlierTermMovesNoHead()
    {
        var store = runs.Store(Restored());
        var (earlier, id, checkpoint, _) = await store.Lead(runs.Plan);
        var (later, _, _, _) = await store.Lead(runs.Plan);
        Assert.Equal(earlier + 1, later);
        var before = await store.List(runs.Plan.Run);

        await Assert.ThrowsAsync<InconsistentStateException>(() =>
            store.CommitCheckpoint(runs.Plan, earlier, checkpoint! with { Version = checkpoint.Version + 2 })
        );
        Assert.Equal(before!.Value.Ids, (await store.List(runs.Plan.Run))!.Value.Ids);

        // The one that leads may, and what counts then is its own.
        await store.CommitCheckpoint(runs.Plan, later, checkpoint! with { Version = checkpoint.Version + 2 });
        Assert.Equal(
            (id!.Version + 2, later),
            (await store.List(runs.Plan.Run))!.Value.Ids[^1] is var newest ? (newest.Version, newest.Term) : default
        );
    }

    /// <summary>Both have read the head before either writes.</summary>
    [Fact]
    public async Task OfTwoThatReplaceTheSameRecordTheSecondIsRefused()
    {
        var records = runs.Records(Restored());
        var name = $"{runs.Plan.Run}/checkpoints/head-0";
        var (one, other) = (await records.Read(name), await records.Read(name));
        var head = records.Open<RunManifest>(one);
        await records.Replace(name, one, head with { Term = 8 });
        await Assert.ThrowsAsync<InconsistentStateException>(() =>
            records.Replace(name, other, head with { Term = 9 })
        );
        Assert.Equal(8, records.Open<RunManifest>(await records.Read(name)).Term);
    }

    [Fact]
    public async Task OfTwentyThatLeadAtTheSameMomentNoTwoHaveOneTerm()
    {
        var storage = Restored();
        var led = await Task.WhenAll(
            Enumerable
                .Range(0, 20)
                .Select(_ =>
                    Task.Run(async () =>
                    {
                        try
                        {
                            return (await runs.Store(storage).Lead(runs.Plan)).Term;
                        }
                        catch (InconsistentStateException)
                        {
                            return 0; // somebody else was faster; it would ask again
                        }
                    })
                )
        );
        var terms = led.Where(term => term > 0).ToList();
        Assert.NotEmpty(terms);
        Assert.Equal(terms.Count, terms.Distinct().Count());
    }

    private FolderStorage Restored()
    {
        foreach (var (name, bytes) in runs.Files)
        {
            var path = Path.Combine(folder.FullName, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, bytes);
        }

        return new FolderStorage(folder.FullName);
    }
}
