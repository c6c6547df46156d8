using System.Collections.Concurrent;
using System.Collections.Immutable;
using BackpropCluster.ClusterTests.Processes;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Coordination;
using Orleans.Storage;

namespace BackpropCluster.ClusterTests;

/// <summary>A checkpoint is whole or absent: whatever becomes of its files, a run goes on from numbers that it had, and
/// says what is broken.</summary>
public sealed class DamagedCheckpointTests(SavedRuns runs) : IClassFixture<SavedRuns>
{
    private const int ScoresStride = 61;
    private readonly ConcurrentDictionary<string, int> counts = new();

    [Fact]
    public Task TruncatedAtAnyLengthAFileIsNamedAndTheCheckpointBeforeIsUsed() => Truncate(ScoresStride);

    [Fact]
    public Task WithAnyBitFlippedAFileIsNamedAndTheCheckpointBeforeIsUsed() => Flip(ScoresStride);

    /// <summary>The same for every byte and bit of the thousands of scores of a long run.</summary>
    [Fact, Trait("length", "long")]
    public async Task EveryByteAndBitOfALongRunsScoresToo()
    {
        RequiresLongTests.Need();
        await Truncate(scoresStride: 1);
        await Flip(scoresStride: 1);
    }

    private async Task Truncate(int scoresStride)
    {
        foreach (var (files, name, stride) in Damageable(scoresStride))
            await Each(
                files[name].Length,
                stride,
                length => AssertSaid(files, name, files[name][..length], $"cut to {length} bytes")
            );
        Print("truncations");
    }

    private async Task Flip(int scoresStride)
    {
        foreach (var (files, name, stride) in Damageable(scoresStride))
            await Each(
                files[name].Length * 8,
                stride,
                bit =>
                {
                    byte[] flipped = [.. files[name]];
                    flipped[bit / 8] ^= (byte)(1 << (bit % 8));
                    return AssertSaid(files, name, flipped, $"bit {bit}");
                }
            );

        Print("bit flips");
    }

    // On all cores: a long run's scores have half a million bits, in each of two copies.
    private static Task Each(int places, int stride, Func<int, Task> damage) =>
        Parallel.ForEachAsync(
            Enumerable.Range(0, (places + stride - 1) / stride),
            TestContext.Current.CancellationToken,
            async (place, _) => await damage(place * stride)
        );

    [Fact]
    public async Task AFileThatIsGoneIsNamedAndTheCheckpointBeforeIsUsed()
    {
        foreach (var (files, name, _) in Damageable(ScoresStride))
            await AssertSaid(files, name, null, "removed");
        Print("removals");
    }

    /// <summary>Both heads gone: nothing says that there was a run, and it begins anew, with no number of the old
    /// one.</summary>
    [Fact]
    public async Task WithoutAnyHeadNothingIsLoaded()
    {
        var files = runs.Files.RemoveRange(runs.Files.Keys.Where(IsManifest));
        Assert.Equal(
            (1, null, null),
            await runs.Store(new InMemoryGrainStorage(files)).Lead(runs.Plan) is var led
                ? (led.Term, led.Id, led.Checkpoint)
                : default
        );
    }

    /// <summary>Every file in the place of every other, of this run and of another one of the same shape; and every two
    /// exchanged.</summary>
    [Fact]
    public async Task FilesInEachOthersPlacesNeverMakeAWrongNumber()
    {
        var own = Own(runs.Files).ToArray();
        foreach (var name in own)
        foreach (var source in runs.Files.Keys.Where(k => k != name))
        {
            await AssertNeverWrong(runs.Files.SetItem(name, runs.Files[source]), $"{source} in the place of {name}");
            await AssertNeverWrong(
                runs.Files.SetItem(name, runs.Files[source]).SetItem(source, runs.Files[name]),
                $"{source} and {name} exchanged"
            );
        }

        foreach (var step in new[] { 2, 4, 6 })
            await AssertNeverWrong(
                runs.Files.SetItems(
                    own.Where(n => n.Contains($"/step-{step}-", StringComparison.Ordinal))
                        .Select(n => KeyValuePair.Create(n, runs.Files[OfOther(n)]))
                ),
                $"all files of step {step} from the other run"
            );
        Print("exchanged files");
    }

    /// <summary>A whole head that was copied over the other one: an older one over the newer hides the newest
    /// checkpoint, and that is said.</summary>
    [Theory, InlineData(0, 1), InlineData(1, 0)]
    public async Task AHeadInTheOtherOnesPlaceIsNamedAndTheOneBeforeIsUsed(int from, int to)
    {
        var (source, target) = (Head(from), Head(to));
        var isNewest =
            (await Load(new InMemoryGrainStorage(runs.Files.Remove(target)), $"{target} removed")).Id?.Version == 6;
        var shelf = new InMemoryGrainStorage(runs.Files.SetItem(target, runs.Files[source]));
        var (loaded, said) = await Load(shelf, $"{source} copied over {target}");
        Assert.Contains(
            said,
            w => w.StartsWith($"{target} holds what was written as {source}", StringComparison.Ordinal)
        );
        Assert.Equal(isNewest ? 6 : 4, loaded?.Version);

        // To lead the run has written a head in the copy's place.
        Assert.Empty((await Load(shelf, "led again")).Warnings);
    }

    [Fact]
    public async Task ExchangedHeadsAreNamedUsedAndPutInOrder()
    {
        var shelf = new InMemoryGrainStorage(
            runs.Files.SetItem(Head(0), runs.Files[Head(1)]).SetItem(Head(1), runs.Files[Head(0)])
        );
        var (loaded, said) = await Load(shelf, "heads exchanged");
        Assert.Equal(2, said.Count(w => w.Contains("it was put there", StringComparison.Ordinal)));
        Assert.Equal(6, loaded?.Version);
        Assert.Single((await Load(shelf, "led again")).Warnings);
        var (again, rest) = await Load(shelf, "led a third time");
        Assert.Equal((6, 0), (again?.Version, rest.Length));
    }

    /// <summary>Where no other head is whole, the copy counts: otherwise the run would begin anew.</summary>
    [Theory, InlineData(0), InlineData(1)]
    public async Task AMisplacedHeadCountsBesideABrokenOne(int from)
    {
        var (source, target) = (Head(from), Head(1 - from));
        var (loaded, said) = await Load(
            new InMemoryGrainStorage(runs.Files.SetItem(target, runs.Files[source]).SetItem(source, [])),
            $"{source} copied over {target} and emptied"
        );
        Assert.NotNull(loaded);
        Assert.All(
            new[] { source, target },
            name => Assert.Contains(said, w => w.StartsWith(name, StringComparison.Ordinal))
        );
    }

    [Fact]
    public async Task AnotherRunsHeadsAreRefused()
    {
        var files = runs.Files.SetItems(
            runs.Files.Keys.Where(IsManifest).Select(n => KeyValuePair.Create(n, runs.Files[OfOther(n)]))
        );
        await Assert.ThrowsAsync<RunTakenException>(() => runs.Store(new InMemoryGrainStorage(files)).Lead(runs.Plan));
    }

    // The scores of 4,096 steps are far longer than everything else: a part of their places in an ordinary run, all in
    // a long one.
    private IEnumerable<(ImmutableDictionary<string, byte[]> Files, string Name, int Stride)> Damageable(
        int scoresStride
    )
    {
        foreach (var name in Own(runs.Files))
            yield return (runs.Files, name, 1);
        foreach (var name in Own(runs.LongFiles).Where(IsScores))
            yield return (runs.LongFiles, name, scoresStride);
    }

    private IEnumerable<string> Own(ImmutableDictionary<string, byte[]> files) =>
        files.Keys.Where(k => k.StartsWith(runs.Plan.Run + "/", StringComparison.Ordinal)).Order();

    private static bool IsScores(string name) => name.Contains("/scores-0", StringComparison.Ordinal);

    private string Head(int slot) => $"{runs.Plan.Run}/checkpoints/head-{slot}";

    private bool IsManifest(string name) =>
        name.StartsWith($"{runs.Plan.Run}/checkpoints/head-", StringComparison.Ordinal);

    private string OfOther(string name) => runs.Other.Run + name[runs.Plan.Run.Length..];

    private Task AssertSaid(ImmutableDictionary<string, byte[]> files, string name, byte[]? bytes, string damage) =>
        AssertSaid(
            new InMemoryGrainStorage(bytes is null ? files.Remove(name) : files.SetItem(name, bytes)),
            files,
            name,
            damage
        );

    private async Task AssertSaid(
        IGrainStorage storage,
        ImmutableDictionary<string, byte[]> files,
        string name,
        string damage
    )
    {
        var where = $"{name}, {damage}";
        var newest = files == runs.Files ? 6 : 6 + 4100;
        var (loaded, said) = await Load(storage, where);
        var hits = IsManifest(name) || name.Contains($"/step-{newest}-", StringComparison.Ordinal) || IsScores(name);
        if (hits)
            Assert.True(
                said.Any(w => w.Contains(name, StringComparison.Ordinal)),
                $"{where}: no warning names it: {string.Join("; ", said)}"
            );
        else
            Assert.True(said.IsEmpty, $"{where}: {string.Join("; ", said)}");
        // Of scores there is a copy: every later checkpoint needs them.
        if (!hits || IsScores(name))
            Assert.Equal(newest, loaded?.Version);
        else if (!IsManifest(name))
            Assert.Equal(newest == 6 ? 4 : 6, loaded?.Version);
        Count(
            loaded?.Version == newest ? "newest"
            : loaded is null ? "none"
            : "an earlier one"
        );
    }

    private async Task AssertNeverWrong(ImmutableDictionary<string, byte[]> files, string where)
    {
        try
        {
            var (loaded, said) = await Load(new InMemoryGrainStorage(files), where);
            Assert.True(
                loaded?.Version == 6 || !said.IsEmpty,
                $"{where}: {loaded?.ToString() ?? "nothing"} is loaded, and nothing is said"
            );
            Count(
                loaded?.Version == 6 ? "newest"
                : loaded is null ? "none"
                : "an earlier one"
            );
        }
        catch (RunTakenException)
        {
            Count("refused");
        }
    }

    // As a silo does: leads, then loads. Whatever comes must be one of the checkpoints that were saved, to the last
    // bit.
    private async Task<(CheckpointId? Id, ImmutableArray<string> Warnings)> Load(IGrainStorage storage, string where)
    {
        var store = runs.Store(storage);
        var (_, id, checkpoint, warnings) = await store.Lead(runs.Plan);
        if (id is null)
            return (null, warnings);
        Assert.True(runs.Known.TryGetValue(id, out var truth), $"{where}: {id} was never saved");
        Assert.True(
            truth.Losses.SequenceEqual(checkpoint!.Losses),
            $"{where}: other losses than were saved at step {id.Version}"
        );
        Assert.True(
            truth.Sha256 == SavedRuns.HashOf(await store.Load(runs.Plan, id)),
            $"{where}: other parameters than were saved at step {id.Version}"
        );
        return (id, warnings);
    }

    private void Count(string what) => counts.AddOrUpdate(what, 1, (_, count) => count + 1);

    private void Print(string what)
    {
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{counts.Values.Sum()} {what}: 0 wrong loads; "
                + $"{string.Join(", ", counts.OrderBy(c => c.Key).Select(c => $"{c.Key} {c.Value}"))}"
        );
        Assert.False(counts.IsEmpty, "nothing was damaged");
        counts.Clear();
    }
}
