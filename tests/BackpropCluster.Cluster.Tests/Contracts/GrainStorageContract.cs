using System.Collections.Immutable;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using Orleans.Runtime;
using Orleans.Storage;

namespace BackpropCluster.ClusterTests.Contracts;

/// <summary>The product's store, on any grain storage: also what becomes of its records, and of two that write at the
/// same moment.</summary>
public abstract class GrainStorageContract : StoreContract
{
    protected override int StepsInBlock => 4096;

    protected abstract IGrainStorage Storage { get; }

    protected abstract SealedRecords Records { get; }

    private protected abstract StoreClient Client { get; }

    protected abstract CheckpointStore Store { get; }

    /// <summary>Names of the records below a run's <c>checkpoints</c>.</summary>
    protected abstract Task<ImmutableArray<string>> Names(RunPlan plan);

    [Fact]
    public async Task NoRecordIsLeftButThoseOfKeptCheckpointsAndOfTheLastSave()
    {
        var plan = NewPlan(keep: 2);
        await SaveTen(plan);
        Assert.Equal(
            ["head-0", "head-1", "step-16", "step-18", "step-20", "step-6"],
            (await Names(plan))
                .Select(name => name.Split('/')[2].Split("-term")[0])
                .Distinct()
                .Order(StringComparer.Ordinal)
        );
    }

    /// <summary>A head that is damaged leaves the one before, scores their copy, and anything else the checkpoint
    /// before.</summary>
    [Theory, InlineData(true), InlineData(false)]
    public async Task ARecordThatIsCutOrGoneIsNamed(bool isGone)
    {
        var plan = NewPlan();
        var (term, newest) = ((await Lead(plan)).Key.Term, StepsInBlock + 2);
        foreach (var version in new[] { 2, newest })
            await Save(plan, term, version);
        var whole = new Dictionary<string, byte[]>();
        foreach (var name in await Names(plan))
            whole[name] = (await Records.Read(name)).State!.Bytes;
        Assert.Equal(10, whole.Count);

        foreach (var (name, bytes) in whole)
        {
            if (isGone)
                await Records.Delete(name);
            else
                await Put(name, bytes[..(bytes.Length / 2)]);
            var (found, isOfOlder) = (await Lead(plan), name.Contains("/step-2-", StringComparison.Ordinal));
            if (isOfOlder)
                Assert.Empty(found.Warnings);
            else
                Assert.Contains(found.Warnings, w => w.Contains(name, StringComparison.Ordinal));
            if (!name.Contains("/head-", StringComparison.Ordinal))
                Assert.Equal(
                    isOfOlder || name.Contains("/scores-", StringComparison.Ordinal) ? newest : 2,
                    found.Id?.Version
                );
            else
                Assert.True(found.Id?.Version == 2 || found.Id?.Version == newest, $"{name}: {found.Id}");
            // To lead has written a head.
            foreach (var (other, before) in whole)
                if (other == name || other.Contains("/head-", StringComparison.Ordinal))
                    await Put(other, before);
        }
    }

    /// <summary>Both have read the head before either writes.</summary>
    [Fact]
    public async Task OfTwoThatReplaceTheSameRecordTheSecondIsRefused()
    {
        var plan = NewPlan();
        await Lead(plan);
        var name = $"{plan.Run}/checkpoints/head-0";
        var (one, other) = (await Records.Read(name), await Records.Read(name));
        var head = Records.Open<RunManifest>(one);
        await Records.Replace(name, one, head with { Term = 8 });
        await Assert.ThrowsAsync<InconsistentStateException>(() =>
            Records.Replace(name, other, head with { Term = 9 })
        );
        Assert.Equal(8, Records.Open<RunManifest>(await Records.Read(name)).Term);
    }

    /// <summary>Two coordinators that begin a run at the same moment would else both lead in its first term.</summary>
    [Fact]
    public async Task OfTwentyThatCreateTheSameRecordOneDoes()
    {
        var plan = NewPlan();
        for (var record = 0; record < 20; record++)
        {
            var name = $"{plan.Run}/checkpoints/created-{record}";
            var known = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Records.Read(name)));
            var created = await Task.WhenAll(known.Select((state, writer) => Task.Run(() => Creates(state, writer))));
            var one = Array.IndexOf(created, true);
            Assert.Equal((one, one), (Array.LastIndexOf(created, true), Records.Open<int>(await Records.Read(name))));

            async Task<bool> Creates(GrainState<StoredBytes> state, int writer)
            {
                try
                {
                    await Records.Replace(name, state, writer);
                    return true;
                }
                catch (InconsistentStateException)
                {
                    return false;
                }
            }
        }
    }

    [Fact]
    public async Task OfTwentyThatLeadAtTheSameMomentNoTwoHaveOneTerm()
    {
        var plan = NewPlan();
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Ask(plan, LeadOf(plan))));
        var terms = answers.OfType<LeadershipGranted>().Select(granted => granted.Key.Term).ToList();
        Assert.NotEmpty(terms);
        Assert.Equal(terms.Count, terms.Distinct().Count());
        // Somebody else was faster; it would ask again.
        Assert.All(
            answers.Where(answer => answer is not LeadershipGranted),
            answer => Assert.Equal(StoreFault.Fenced, Assert.IsType<StoreFailed>(answer).Fault)
        );
    }

    protected override async Task<Message> Ask(RunPlan plan, Message request)
    {
        var answer = new StoreAnswer();
        Client.Take(plan, request, answer);
        return await answer.Heard.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
    }

    protected override async Task<ImmutableArray<CheckpointId>> Counting(RunPlan plan) =>
        (await Store.List(plan.Run))!.Value.Ids;

    protected override async Task<SavedModel?> Load(RunPlan plan, CheckpointId id)
    {
        try
        {
            return await Client.Load(plan, id);
        }
        catch (BrokenCheckpointException)
        {
            return null;
        }
    }

    protected override async Task Tear(RunPlan plan, SaveShard save)
    {
        await Ask(plan, save);
        await Cut(PartName(plan, save.Key.Step, save.Key.Term, save.Shard));
    }

    protected override async Task Damage(RunPlan plan, int shard)
    {
        var newest = (await Counting(plan))[^1];
        var shards = Enumerable.Range(1, plan.Depth).SelectMany(layer => plan.ShardsOf(layer));
        await Cut(PartName(plan, newest.Version, newest.Term, shards.ElementAt(shard)));
    }

    protected override async Task DamageScores(RunPlan plan, bool copyToo)
    {
        await Cut($"{plan.Run}/checkpoints/scores-0");
        if (copyToo)
            await Cut($"{plan.Run}/checkpoints/scores-0-copy");
    }

    private async Task Cut(string name)
    {
        var bytes = (await Records.Read(name)).State!.Bytes;
        Assert.NotEmpty(bytes);
        await Put(name, bytes[..(bytes.Length / 2)]);
    }

    // Past the seal, as somebody does who knows nothing of it.
    private async Task Put(string name, byte[] bytes)
    {
        var known = await Records.Read(name);
        known.State = new StoredBytes { Bytes = bytes };
        await Storage.WriteStateAsync("checkpoint", GrainId.Create(SealedRecords.TypeName, name), known);
    }

    protected static string PartName(RunPlan plan, int version, int term, ShardRange shard) =>
        $"{plan.Run}/checkpoints/step-{version}-term-{term}/layer-{shard.Layer}-part-{shard.Index}";
}
