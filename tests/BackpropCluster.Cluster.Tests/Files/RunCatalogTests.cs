using System.Collections.Immutable;
using BackpropCluster.ClusterTests.Processes;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Coordination;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Storage;

namespace BackpropCluster.ClusterTests;

/// <summary>The runs of a cluster: an id belongs to one of them, and the index of all can be made anew from their own
/// records.</summary>
public sealed class RunCatalogTests(SavedRuns runs) : IClassFixture<SavedRuns>
{
    private const string Index = ".cluster/runs";

    [Fact]
    public async Task ABrokenIndexIsMadeAnewFromTheRunsOwnRecords()
    {
        var shelf = new InMemoryGrainStorage(ImmutableDictionary<string, byte[]>.Empty);
        var catalog = Catalog(shelf, shelf);
        await catalog.Enter(Record("b", 1, RunStatus.Completed));
        await catalog.Enter(Record("a", 2, RunStatus.Training));
        shelf.Flip(Index);

        Assert.Equal(
            [new RunEntry("a", RunStatus.Training), new RunEntry("b", RunStatus.Completed)],
            await catalog.Runs()
        );
        // It is written, not only told: another process reads it.
        await Catalog(shelf, shelf).Enter(Record("c", 3, RunStatus.Training));
        Assert.Equal(["a", "b", "c"], (await catalog.Runs()).Select(r => r.Run));
    }

    [Fact]
    public async Task ARunCanBeEnteredThoughTheIndexIsBroken()
    {
        var shelf = new InMemoryGrainStorage(ImmutableDictionary<string, byte[]>.Empty);
        var catalog = Catalog(shelf, shelf);
        await catalog.Enter(Record("a", 1, RunStatus.Completed));
        shelf.Flip(Index);
        await catalog.Enter(Record("b", 2, RunStatus.Training));
        Assert.Equal(["a", "b"], (await catalog.Runs()).Select(r => r.Run).Order());
    }

    [Fact]
    public async Task OneBrokenRunIsNamedAndTheOthersAreListed()
    {
        var shelf = new InMemoryGrainStorage(ImmutableDictionary<string, byte[]>.Empty);
        var catalog = Catalog(shelf, shelf);
        await catalog.Enter(Record("a", 1, RunStatus.Completed));
        await catalog.Enter(Record("b", 2, RunStatus.Completed));
        shelf.Flip("a/checkpoints/run");
        shelf.Flip(Index);
        Assert.Equal(["b"], (await catalog.Runs()).Select(r => r.Run));
        var broken = await Assert.ThrowsAsync<BrokenRecordException>(() => catalog.Find("a"));
        Assert.Contains("the record of run a, a/checkpoints/run, is broken", broken.Message, StringComparison.Ordinal);
    }

    // Entered before it was compared, the second run's record took the first one's place, and the first was lost for
    // every client.
    [Fact]
    public async Task ARunWhoseIdIsTakenIsRefusedAndTheFirstOnesRecordStays()
    {
        var shelf = new InMemoryGrainStorage(ImmutableDictionary<string, byte[]>.Empty);
        var catalog = Catalog(shelf, shelf);
        var first = Record("same", 1, RunStatus.Completed);
        await catalog.Enter(first);
        await Assert.ThrowsAsync<RunTakenException>(() => catalog.Enter(Record("same", 2, RunStatus.Training)));
        Assert.Equal(
            (first.Plan.Fingerprint, RunStatus.Completed),
            await catalog.Find("same") is { } found ? (found.Plan.Fingerprint, found.Status) : default
        );
        Assert.Equal([new RunEntry("same", RunStatus.Completed)], await catalog.Runs());
    }

    [Fact]
    public async Task AFolderNamesItsRuns()
    {
        var folder = Directory.CreateTempSubdirectory("backprop-catalog-");
        try
        {
            var storage = new FolderStorage(folder.FullName);
            var catalog = Catalog(storage, storage);
            await catalog.Enter(Record("a", 1, RunStatus.Training));
            await catalog.Enter(Record("b", 2, RunStatus.Completed));
            await File.WriteAllBytesAsync(
                Path.Combine(folder.FullName, Index),
                [1, 2, 3],
                TestContext.Current.CancellationToken
            );
            Assert.Equal(["a", "b"], (await catalog.Runs()).Select(r => r.Run));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private RunCatalog Catalog(IGrainStorage storage, IRunNames names) =>
        new(runs.Records(storage), names, NullLogger<RunCatalog>.Instance);

    private static RunRecord Record(string run, ulong fingerprint, RunStatus status) =>
        new(SavedRuns.PlanOf(run, fingerprint), TimeSpan.FromSeconds(10), "", status, null, 0);
}
