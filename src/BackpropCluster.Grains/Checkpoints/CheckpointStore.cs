using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Globalization;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Coordination;
using Orleans.Storage;

namespace BackpropCluster.Grains.Checkpoints;

/// <summary>The checkpoints of runs and their heads, on any grain storage.</summary>
/// <remarks>Records, each under a name that is written once but for the manifest's two: below <c>{run}/checkpoints</c>:
/// <c>step-{v}-term-{t}/layer-{l}-part-{i}</c>, <c>step-{v}-term-{t}/checkpoint</c>, <c>scores-{block}</c> and its
/// copy, since every later checkpoint needs it, <c>head-0</c> and <c>head-1</c>. A checkpoint exists when the manifest
/// names it. The manifest is written alternately under its two names: a damaged one, or one in the other's place,
/// leaves the one before.</remarks>
public sealed class CheckpointStore(SealedRecords records)
{
    private const int StepsInBlock = 4096;
    private const int DeletesAtOnce = 8;

    private readonly ConcurrentDictionary<string, KnownBlocks> knownBlocks = new();

    /// <summary>Raises the run's term and finds its newest whole checkpoint.</summary>
    /// <param name="lead">The request, with the highest term known to its sender.</param>
    /// <exception cref="RunTakenException">The id belongs to a run of another run file.</exception>
    /// <exception cref="RecordFormatException">Another version of the program led it last. Nothing was
    /// changed.</exception>
    public async Task<LeadershipGranted> AcquireLeadership(AcquireLeadership lead)
    {
        var plan = lead.Plan;
        var slots = await ReadManifest(plan.Run);
        var manifest = slots.Manifest ?? RunManifest.New(plan.Fingerprint);
        if (manifest.Fingerprint != plan.Fingerprint)
            throw new RunTakenException(plan.Run);
        manifest = manifest.Granted(lead.Key.Term);
        await WriteManifest(plan.Run, slots, manifest);
        var search = new CheckpointSearch(manifest, slots.Warnings);
        while (search.Next is { } id)
            try
            {
                var checkpoint = await ReadCheckpoint(plan.Run, id, search.Warn);
                await Load(plan, id);
                search.Take(checkpoint);
            }
            catch (BrokenCheckpointException e)
            {
                search.Skip(e.Message);
            }

        return search.Answer(lead.Key);
    }

    /// <summary>Writes the snapshot of one shard.</summary>
    /// <returns>SHA-256 of the record.</returns>
    public Task<string> Save(string run, SaveShard save) =>
        records.WriteNew(SnapshotName(run, save.Key.Step, save.Key.Term, save.Shard), save.Part);

    /// <summary>Makes a checkpoint count, whose snapshots are all written.</summary>
    /// <exception cref="InconsistentStateException">Another coordinator leads the run.</exception>
    /// <exception cref="ManifestMissingException">There is no manifest any more.</exception>
    public async Task CommitCheckpoint(RunPlan plan, int term, Checkpoint checkpoint)
    {
        var run = plan.Run;
        var stored = new StoredCheckpoint(
            MetricsBlock.Rest(checkpoint, StepsInBlock),
            await WriteBlocks(run, term, checkpoint)
        );
        var sha256 = await records.WriteNew(CheckpointName(run, checkpoint.Version, term), stored);
        var slots = await ReadManifest(run);
        // Who leads cannot have written nothing: the store came back without what it held.
        if (slots.Manifest is not { } manifest)
            throw new ManifestMissingException(run);
        if (!manifest.Accepts(term))
            throw new InconsistentStateException($"run {run} is led in term {manifest.Term}, not {term}");
        if (manifest.Has(checkpoint.Version, term))
            return;
        var undeleted = await Delete(plan, manifest.Dropped);
        manifest = manifest.With(new CheckpointId(checkpoint.Version, term, sha256), checkpoint, plan.Checkpoints.Keep);
        await WriteManifest(run, slots, manifest with { Dropped = [.. undeleted, .. manifest.Dropped] });
    }

    /// <summary>The checkpoints that the manifest names, oldest first; <see langword="null"/> where there is no such
    /// run.</summary>
    public async Task<(ImmutableArray<CheckpointId> Ids, ImmutableArray<string> Warnings)?> List(string run)
    {
        var slots = await ReadManifest(run);
        return slots.Manifest is { } manifest ? (manifest.Checkpoints, slots.Warnings)
            : slots.Warnings.IsEmpty ? null
            : ([], slots.Warnings);
    }

    /// <summary>What a checkpoint says of itself.</summary>
    /// <param name="run">Its run.</param>
    /// <param name="id">Which checkpoint.</param>
    /// <param name="warn">Is told which records are damaged though another one has the same.</param>
    /// <exception cref="BrokenCheckpointException">It is missing or damaged.</exception>
    public async Task<Checkpoint> ReadCheckpoint(string run, CheckpointId id, Action<string>? warn = null)
    {
        var (checkpoint, blocks) = await ReadRecord<StoredCheckpoint>(
            CheckpointName(run, id.Version, id.Term),
            id.Sha256,
            id
        );
        var metrics = new List<MetricsBlock>();
        for (var block = 0; block < blocks.Length; block++)
            metrics.Add(await ReadBlock(run, block, blocks[block], id, warn));
        checkpoint = MetricsBlock.Join(metrics, checkpoint);
        return checkpoint.Version == id.Version
            ? checkpoint
            : throw new BrokenCheckpointException(id.Version, $"it says that it is version {checkpoint.Version}");
    }

    /// <summary>The whole model of a checkpoint.</summary>
    /// <exception cref="BrokenCheckpointException">A snapshot is missing or damaged, or the two ends of its weights
    /// differ.</exception>
    public async Task<SavedModel> Load(RunPlan plan, CheckpointId id)
    {
        // Without its metrics, which no shard needs: a long run's are longer than its parameters.
        var name = CheckpointName(plan.Run, id.Version, id.Term);
        var checkpoint = (await ReadRecord<StoredCheckpoint>(name, id.Sha256, id)).Checkpoint;
        var cut = plan with { Granularity = checkpoint.Granularity };
        var shards = Enumerable.Range(1, cut.Depth).SelectMany(layer => cut.ShardsOf(layer)).ToArray();
        if (checkpoint.Parts.Length != shards.Length)
            throw new BrokenCheckpointException(
                id.Version,
                $"it names {checkpoint.Parts.Length} shards, expected {shards.Length}"
            );
        var snapshots = new Dictionary<ShardRange, ShardSnapshot>();
        for (var i = 0; i < shards.Length; i++)
            snapshots.Add(
                shards[i],
                await ReadRecord<ShardSnapshot>(
                    SnapshotName(plan.Run, id.Version, id.Term, shards[i]),
                    checkpoint.Parts[i],
                    id
                )
            );
        try
        {
            return ParametersAssembly.Model(cut, shard => snapshots[shard]);
        }
        catch (DivergenceException e)
        {
            throw new BrokenCheckpointException(id.Version, e.Message);
        }
    }

    // Written again where one is damaged: the first checkpoint of a term looks at every block and its copy.
    private async Task<ImmutableArray<string>> WriteBlocks(string run, int term, Checkpoint checkpoint)
    {
        var known = knownBlocks.GetOrAdd(run, _ => new KnownBlocks());
        var count = MetricsBlock.Count(checkpoint.Version, StepsInBlock);
        for (var block = known.Of(term).Count; block < count; block++)
        {
            var metrics = MetricsBlock.Of(checkpoint, block, StepsInBlock);
            await records.WriteNew(BlockName(run, block, isCopy: true), metrics);
            known.Add(await records.WriteNew(BlockName(run, block, isCopy: false), metrics));
        }

        return [.. known.Of(term).Take(count)];
    }

    // Both are looked at: a copy that was damaged unnoticed would be no copy on the day that it is needed.
    private async Task<MetricsBlock> ReadBlock(
        string run,
        int block,
        string sha256,
        CheckpointId id,
        Action<string>? warn
    )
    {
        MetricsBlock? whole = null;
        BrokenCheckpointException? broken = null;
        foreach (var isCopy in (bool[])[false, true])
        {
            try
            {
                whole = await ReadRecord<MetricsBlock>(BlockName(run, block, isCopy), sha256, id);
            }
            catch (BrokenCheckpointException e)
            {
                broken = e;
            }
        }

        if (whole is null)
            throw broken!;
        if (broken is null)
            return whole;
        warn?.Invoke($"{broken.Fact}; its copy counts, and the next checkpoint writes it again");
        return whole;
    }

    // What cannot be deleted now is tried again with the next checkpoint: a save must not fail for what it no longer
    // needs.
    private async Task<List<CheckpointId>> Delete(RunPlan plan, ImmutableArray<CheckpointId> dropped)
    {
        var undeleted = new List<CheckpointId>();
        foreach (var id in dropped)
        {
            try
            {
                await Delete(plan, id);
            }
            catch (Exception e)
                when (e is IOException or UnauthorizedAccessException or InconsistentStateException
                    || StoreUnreachableException.IsMeant(e)
                )
            {
                undeleted.Add(id);
            }
        }

        return undeleted;
    }

    // Its own record last: as long as that is there, the rest can be found and the deleting begun anew. Of one that
    // cannot be read it is not known how it was cut; as it is now is the best guess, and what is not found is not
    // deleted.
    private async Task Delete(RunPlan plan, CheckpointId id)
    {
        var name = CheckpointName(plan.Run, id.Version, id.Term);
        var granularity = plan.Granularity;
        try
        {
            granularity = (await ReadRecord<StoredCheckpoint>(name, id.Sha256, id)).Checkpoint.Granularity;
        }
        catch (BrokenCheckpointException)
        {
            // Deleted before, or damaged.
        }

        var cut = plan with { Granularity = granularity };
        var shards = Enumerable.Range(1, cut.Depth).SelectMany(layer => cut.ShardsOf(layer));
        await Parallel.ForEachAsync(
            shards,
            new ParallelOptions { MaxDegreeOfParallelism = DeletesAtOnce },
            async (shard, _) => await records.Delete(SnapshotName(plan.Run, id.Version, id.Term, shard))
        );
        await records.Delete(name);
    }

    private async Task<T> ReadRecord<T>(string name, string sha256, CheckpointId id)
    {
        var record = await records.Read(name);
        if (!record.RecordExists)
            throw new BrokenCheckpointException(id.Version, $"{name} is missing");
        try
        {
            return records.Open<T>(record, sha256);
        }
        // The manifest that names it is of this version: one of another was put there in its place.
        catch (Exception e) when (e is BrokenRecordException or RecordFormatException)
        {
            throw new BrokenCheckpointException(id.Version, $"{name}: {e.Message.TrimEnd('.')}");
        }
    }

    private async Task<ManifestSlots> ReadManifest(string run)
    {
        var slots = new[] { await records.Read(ManifestName(run, 0)), await records.Read(ManifestName(run, 1)) };
        var warnings = ImmutableArray.CreateBuilder<string>();
        var (newest, slot) = ((RunManifest?)null, 1);
        for (var i = 0; i < slots.Length; i++)
        {
            if (!slots[i].RecordExists)
                continue;
            try
            {
                var manifest = records.Open<RunManifest>(slots[i]);
                if (SlotOf(manifest.Sequence) != i)
                    warnings.Add(
                        $"{ManifestName(run, i)} holds what was written as {ManifestName(run, 1 - i)}, the manifest "
                            + $"number {manifest.Sequence}: it was put there in another one's place, and counts only "
                            + $"if no other one does"
                    );
                if (newest is null || Outweighs(manifest, i, newest, slot))
                    (newest, slot) = (manifest, i);
            }
            catch (BrokenRecordException e)
            {
                warnings.Add($"{ManifestName(run, i)} is broken: {e.Message}; the other one counts");
            }
        }

        // The first manifest has no other one beside it, every later one has.
        if (newest is { Sequence: > 1 } && !slots[1 - slot].RecordExists)
            warnings.Add($"{ManifestName(run, 1 - slot)} is missing; the other one counts");
        return new ManifestSlots(slots, slot, newest, warnings.ToImmutable());
    }

    // A manifest under its own name counts before a misplaced one whatever their numbers are. A misplaced one still
    // says more than none: without any manifest the run would begin anew.
    private static bool Outweighs(RunManifest manifest, int slot, RunManifest other, int otherSlot) =>
        (SlotOf(manifest.Sequence) == slot, manifest.Sequence).CompareTo(
            (SlotOf(other.Sequence) == otherSlot, other.Sequence)
        ) > 0;

    // Written in turn from 0 on, the number of a manifest tells where it belongs: a copy over the other one, which is
    // whole, is found out by that.
    private static int SlotOf(long sequence) => (int)((sequence - 1) % 2);

    private Task WriteManifest(string run, ManifestSlots slots, RunManifest manifest)
    {
        var older = 1 - slots.Newest;
        // The next number that belongs there: after a misplaced manifest one is left out, and from then on both are in
        // their places.
        var next = SlotOf(manifest.Sequence + 1) == older ? manifest.Sequence + 1 : manifest.Sequence + 2;
        return records.Replace(ManifestName(run, older), slots.States[older], manifest with { Sequence = next });
    }

    private static string ManifestName(string run, int slot) =>
        string.Create(CultureInfo.InvariantCulture, $"{run}/checkpoints/head-{slot}");

    private static string CheckpointName(string run, int version, int term) =>
        string.Create(CultureInfo.InvariantCulture, $"{run}/checkpoints/step-{version}-term-{term}/checkpoint");

    private static string BlockName(string run, int block, bool isCopy) =>
        string.Create(CultureInfo.InvariantCulture, $"{run}/checkpoints/scores-{block}{(isCopy ? "-copy" : "")}");

    private static string SnapshotName(string run, int version, int term, ShardRange shard) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{run}/checkpoints/step-{version}-term-{term}/layer-{shard.Layer}-part-{shard.Index}"
        );

    private sealed record ManifestSlots(
        GrainState<StoredBytes>[] States,
        int Newest,
        RunManifest? Manifest,
        ImmutableArray<string> Warnings
    );
}

/// <summary>A checkpoint as it is stored: the metrics of full blocks stand in records of their own.</summary>
[GenerateSerializer, Immutable, Alias("stored-checkpoint")]
internal sealed record StoredCheckpoint(
    [property: Id(0)] Checkpoint Checkpoint,
    [property: Id(1)] ImmutableArray<string> Blocks
);

/// <summary>The store does not hold what it held.</summary>
public sealed class ManifestMissingException(string run)
    : Exception(
        $"the store has lost run {run}: the manifest that named its checkpoints is gone, and they with it. Start it "
            + $"again under another id"
    );

/// <summary>A checkpoint that cannot be used.</summary>
public sealed class BrokenCheckpointException(int version, string fact)
    : Exception($"the checkpoint of step {version} is broken: {fact}")
{
    public int Version => version;

    /// <summary>Which record, and what is wrong with it.</summary>
    public string Fact => fact;
}
