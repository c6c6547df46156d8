using System.Collections.Immutable;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.ClusterTests.Contracts;

/// <summary>What every checkpoint store promises the protocol: requests are messages, and so are its answers.</summary>
public abstract class StoreContract
{
    private static int runs;

    /// <summary>Steps whose scores fill a record of their own.</summary>
    protected abstract int StepsInBlock { get; }

    /// <summary>Asks the store for something, as an actor does.</summary>
    /// <returns>Its answer to the coordinator.</returns>
    protected abstract Task<Message> Ask(RunPlan plan, Message request);

    /// <summary>The checkpoints that count, the oldest first.</summary>
    protected abstract Task<ImmutableArray<CheckpointId>> Counting(RunPlan plan);

    /// <summary>Loads a checkpoint; <see langword="null"/> if it is not whole.</summary>
    protected abstract Task<SavedModel?> Load(RunPlan plan, CheckpointId id);

    /// <summary>Writes a half of a part, as a crash leaves it; nobody is told.</summary>
    protected abstract Task Tear(RunPlan plan, SaveShard save);

    /// <summary>Cuts the part of a shard in the checkpoint that was made last.</summary>
    protected abstract Task Damage(RunPlan plan, int shard);

    /// <summary>Damages the first full block of scores, its copy too or not.</summary>
    protected abstract Task DamageScores(RunPlan plan, bool copyToo);

    /// <summary>From now on the store writes nothing, or does again.</summary>
    protected abstract Task Refuse(bool refuses);

    [Fact]
    public async Task EveryTermIsAboveAllThatWereGrantedOrAreKnown()
    {
        var plan = NewPlan();
        var terms = new List<int>();
        foreach (var known in new[] { 0, 0, 41, 0 })
            terms.Add((await Lead(plan, known)).Key.Term);
        Assert.Equal([1, 2, 42, 43], terms);
    }

    [Fact]
    public async Task ARunThatSavedNothingBeginsAnew()
    {
        var plan = NewPlan();
        var term = (await Lead(plan)).Key.Term;
        // Parts alone are no checkpoint: their coordinator was lost before all were written.
        foreach (var part in Parts(plan, term, version: 2))
            Assert.IsType<Saved>(await Ask(plan, part));
        await AssertFound(plan, null);
    }

    [Theory, InlineData("neuron", "layer"), InlineData("layer", "neuron"), InlineData("3", "3")]
    public async Task TheNewestCheckpointComesBackAsItWasSavedWhateverTheCutIsNow(string saved, string now)
    {
        var plan = NewPlan(saved);
        var term = (await Lead(plan)).Key.Term;
        var version = StepsInBlock + 2;
        foreach (var earlier in new[] { 2, version - 1 })
            await Save(plan, term, earlier);
        await Save(plan, term, version);
        var id = await AssertFound(plan with { Granularity = Cut(now) }, version);
        Assert.Equal((await Counting(plan))[^1], id);
    }

    [Fact]
    public async Task ARepeatedRequestIsAnsweredAgainAndCountsOnce()
    {
        var plan = NewPlan();
        var term = (await Lead(plan)).Key.Term;
        var commit = await SaveParts(plan, term, 2);
        Assert.Equal(commit.Checkpoint.Parts, (await SaveParts(plan, term, 2)).Checkpoint.Parts);
        for (var time = 0; time < 2; time++)
            Assert.Equal(AnswerKey(commit), Assert.IsType<CheckpointCommitted>(await Ask(plan, commit)).Key);
        Assert.Single(await Counting(plan));
        await AssertFound(plan, 2);
    }

    /// <summary>Nor does what another coordinator has written get into the leader's checkpoint of the same
    /// version.</summary>
    [Fact]
    public async Task NothingCountsOfACoordinatorThatDoesNotLead()
    {
        var plan = NewPlan();
        var earlier = (await Lead(plan)).Key.Term;
        await Save(plan, earlier, 2);
        var later = (await Lead(plan)).Key.Term;
        foreach (var term in new[] { earlier, later + 1 })
        {
            var commit = await SaveParts(plan, term, 4, salt: 1);
            var fenced = Assert.IsType<StoreFailed>(await Ask(plan, commit));
            Assert.Equal((AnswerKey(commit), StoreFault.Fenced), (fenced.Key, fenced.Fault));
            Assert.Equal([2], (await Counting(plan)).Select(c => c.Version));
        }

        await Save(plan, later, 4);
        Assert.Equal(later, (await AssertFound(plan, 4))!.Term);
    }

    [Theory, InlineData("neuron"), InlineData("layer")]
    public async Task ADamagedCheckpointIsSaidSkippedAndReplacedByWhatIsComputedAgain(string cut)
    {
        for (var shard = 0; shard < NewPlan(cut).ShardCount; shard++)
        {
            var plan = NewPlan(cut);
            var term = (await Lead(plan)).Key.Term;
            foreach (var version in new[] { 2, 4, 6 })
                await Save(plan, term, version);
            await Damage(plan, shard);
            await AssertFound(plan, 4, damaged: 6);
            term = (await Lead(plan)).Key.Term;
            await Save(plan, term, 6);
            Assert.Equal(term, (await AssertFound(plan, 6))!.Term);
            Assert.Equal([2, 4, 6], (await Counting(plan)).Select(c => c.Version));
        }
    }

    [Fact]
    public async Task WithoutAnyWholeCheckpointTheRunBeginsAnewAndEachIsNamed()
    {
        var plan = NewPlan();
        foreach (var version in new[] { 2, 4 })
        {
            await Save(plan, (await Lead(plan)).Key.Term, version);
            await Damage(plan, 0);
        }

        await AssertFound(plan, null, 4, 2);
    }

    [Fact]
    public async Task APartWhoseWriteWasCutOffIsWrittenAgain()
    {
        var plan = NewPlan();
        var term = (await Lead(plan)).Key.Term;
        foreach (var part in Parts(plan, term, 2))
            await Tear(plan, part);
        await AssertFound(plan, null);
        term = (await Lead(plan)).Key.Term;
        foreach (var part in Parts(plan, term, 2))
            await Tear(plan, part);
        await Save(plan, term, 2);
        await AssertFound(plan, 2);
    }

    /// <summary>Scores that are damaged with their copy break every checkpoint that names them. The very store that
    /// wrote them must find that out and write them again, or it would save one broken checkpoint after the
    /// other.</summary>
    [Theory, InlineData(true), InlineData(false)]
    public async Task DamagedScoresAreWrittenAgainByTheStoreThatWroteThem(bool copyToo)
    {
        var plan = NewPlan();
        var version = StepsInBlock + 2;
        var term = (await Lead(plan)).Key.Term;
        await Save(plan, term, 2);
        await Save(plan, term, version);
        await DamageScores(plan, copyToo);

        var found = await Lead(plan);
        Assert.Equal(copyToo ? 2 : version, found.Id!.Version);
        if (copyToo)
            Assert.Contains(found.Warnings, w => w.Contains($"step {version}", StringComparison.Ordinal));
        await Save(plan, found.Key.Term, version);
        await AssertFound(plan, version);
        // What was written again has a copy again.
        await DamageScores(plan, copyToo: false);
        Assert.Equal(version, (await Lead(plan)).Id!.Version);
    }

    [Fact]
    public async Task TheNewestAndTheBestCheckpointsAreKeptWhole()
    {
        var plan = NewPlan(keep: 2);
        var made = await SaveTen(plan);
        Assert.Equal([6, 18, 20], (await Counting(plan)).Select(c => c.Version));
        foreach (var id in made)
            // What the last save has dropped is deleted with the next.
            if (id.Version != 16)
                Assert.Equal(id.Version is 6 or 18 or 20, await Load(plan, id) is not null);
    }

    [Fact]
    public async Task WithoutALimitAllCheckpointsAreKept()
    {
        var plan = NewPlan();
        var made = await SaveTen(plan);
        Assert.Equal(made, await Counting(plan));
        foreach (var id in made)
            AssertIs(MadeUp.Model(plan, id.Version), await Load(plan, id));
    }

    [Fact]
    public async Task ARefusedRequestSaysSoAndHasDoneNothing()
    {
        var plan = NewPlan();
        var term = (await Lead(plan)).Key.Term;
        await Save(plan, term, 2);
        var commit = await SaveParts(plan, term, 4);
        await Refuse(true);
        try
        {
            foreach (var request in new Message[] { commit, Parts(plan, term, 6).First(), LeadOf(plan, term) })
            {
                var refused = Assert.IsType<StoreFailed>(await Ask(plan, request));
                Assert.Equal((AnswerKey(request), StoreFault.Refused), (refused.Key, refused.Fault));
                Assert.False(string.IsNullOrWhiteSpace(refused.Reason), "it does not say why");
            }
        }
        finally
        {
            await Refuse(false);
        }

        Assert.Equal([2], (await Counting(plan)).Select(c => c.Version));
        Assert.IsType<CheckpointCommitted>(await Ask(plan, commit));
        Assert.Equal((term, term + 1), ((await Counting(plan))[^1].Term, (await Lead(plan)).Key.Term));
        await AssertFound(plan, 4);
    }

    /// <summary>A run that no other test has.</summary>
    protected static RunPlan NewPlan(string cut = "layer", int keep = 0) =>
        SavedRuns.PlanOf($"contract-{Interlocked.Increment(ref runs)}", seed: 7) with
        {
            Granularity = Cut(cut),
            Checkpoints = new CheckpointRule(2, TimeSpan.Zero, keep),
        };

    protected static AcquireLeadership LeadOf(RunPlan plan, int known = 0) =>
        new(new MessageKey(plan.Fingerprint, known, 1, Phase.Forward, 0, ActorId.Coordinator, default), plan);

    protected async Task<LeadershipGranted> Lead(RunPlan plan, int known = 0)
    {
        var request = LeadOf(plan, known);
        var granted = Assert.IsType<LeadershipGranted>(await Ask(plan, request));
        Assert.Equal(AnswerKey(request) with { Term = granted.Key.Term }, granted.Key);
        return granted;
    }

    /// <summary>Saves a version, which counts then.</summary>
    protected async Task Save(RunPlan plan, int term, int version)
    {
        var answer = await Ask(plan, await SaveParts(plan, term, version));
        Assert.True(answer is CheckpointCommitted, $"version {version} of term {term} does not count: {answer}");
    }

    /// <summary>Saves versions 2 to 20, of which 6 is the best.</summary>
    protected async Task<List<CheckpointId>> SaveTen(RunPlan plan)
    {
        var term = (await Lead(plan)).Key.Term;
        var made = new List<CheckpointId>();
        for (var version = 2; version <= 20; version += 2)
        {
            await Save(plan, term, version);
            made.Add((await Counting(plan))[^1]);
        }

        return made;
    }

    protected static IEnumerable<SaveShard> Parts(RunPlan plan, int term, int version, int salt = 0) =>
        Enumerable
            .Range(1, plan.Depth)
            .SelectMany(layer => plan.ShardsOf(layer))
            .Select(shard => new SaveShard(
                KeyOf(plan, term, version, ActorId.Shard(shard.Layer, shard.Index)),
                shard,
                MadeUp.Part(plan, shard, version, salt)
            ));

    private async Task<CommitCheckpoint> SaveParts(RunPlan plan, int term, int version, int salt = 0)
    {
        var digests = ImmutableArray.CreateBuilder<string>();
        foreach (var part in Parts(plan, term, version, salt))
        {
            var saved = Assert.IsType<Saved>(await Ask(plan, part));
            var (parameters, one) = (part.Part.Parameters, Assert.Single(saved.Parts));
            Assert.Equal(
                (part.Key.From, parameters.WeightsSum, parameters.OutgoingSum),
                (one.Shard, one.WeightsSum, one.OutgoingSum)
            );
            digests.Add(one.Sha256);
        }

        return new CommitCheckpoint(
            KeyOf(plan, term, version, ActorId.Coordinator),
            new Checkpoint(
                version,
                plan.Granularity,
                digests.ToImmutable(),
                MadeUp.Losses(version),
                MadeUp.Evaluations(version),
                MadeUp.Leaving
            )
        );
    }

    /// <summary>Leads, and compares what is found with what was saved.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="version">What is found; <see langword="null"/> for nothing.</param>
    /// <param name="damaged">Newer versions that are not whole: of each there is one warning.</param>
    private async Task<CheckpointId?> AssertFound(RunPlan plan, int? version, params int[] damaged)
    {
        var found = await Lead(plan);
        Assert.Equal(version, found.Id?.Version);
        Assert.Equal(damaged.Length, found.Warnings.Length);
        foreach (var (said, step) in found.Warnings.Zip(damaged))
            Assert.StartsWith($"the checkpoint of step {step} is broken", said, StringComparison.Ordinal);
        if (version is not { } saved)
            return null;
        var checkpoint = found.Checkpoint!;
        Assert.Equal(saved, checkpoint.Version);
        Assert.Equal(MadeUp.Losses(saved), checkpoint.Losses);
        Assert.Equal(MadeUp.Evaluations(saved), checkpoint.Evaluations);
        Assert.Equal(MadeUp.Leaving, checkpoint.Leaving);
        AssertIs(MadeUp.Model(plan, saved), await Load(plan, found.Id!));
        return found.Id;
    }

    private static void AssertIs(SavedModel expected, SavedModel? model)
    {
        Assert.True(model is not null, "the checkpoint is not whole");
        Assert.Equal(SavedRuns.HashOf(expected), SavedRuns.HashOf(model));
    }

    private static MessageKey AnswerKey(Message request) => request.Key with { From = ActorId.Store };

    private static MessageKey KeyOf(RunPlan plan, int term, int version, ActorId from) =>
        new(plan.Fingerprint, term, version, Phase.Save, 0, from, default);

    private static Granularity Cut(string text) =>
        Granularity.TryParse(text, out var cut) ? cut : throw new ArgumentException($"{text} is no cut", nameof(text));
}
