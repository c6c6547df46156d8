using System.Collections.Immutable;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Coordination;
using Microsoft.Extensions.Logging;
using Orleans.Storage;

namespace BackpropCluster.Grains.Checkpoints;

/// <summary>The runs of a cluster, kept where its checkpoints are: a run belongs to the cluster, not to the client that
/// began it.</summary>
/// <remarks>Each run has a record of its own. The index of all runs only saves looking for them: a broken one is made
/// anew.</remarks>
public sealed class RunCatalog(SealedRecords records, IRunNames names, ILogger<RunCatalog> logger)
{
    /// <summary>The last part of the name of every run's record.</summary>
    internal const string RecordName = "checkpoints/run";

    // A point begins no run's id.
    internal const string Index = ".cluster/runs";
    private const int Attempts = 10;

    /// <summary>All runs, the oldest first.</summary>
    public async Task<ImmutableArray<RunEntry>> Runs()
    {
        var known = await Read(Index);
        if (Open(known) is { } runs)
            return runs;
        runs = await FindAll();
        try
        {
            await Write(Index, known, new RunIndex(runs));
        }
        catch (InconsistentStateException)
        {
            // Another silo has made it anew meanwhile, from the same records.
        }

        return runs;
    }

    /// <summary>What is known of a run; <see langword="null"/> if there is no such run.</summary>
    /// <exception cref="BrokenRecordException">What was known of it is damaged.</exception>
    public async Task<RunRecord?> Find(string run)
    {
        var known = await Read(NameOf(run));
        return known.RecordExists ? OpenRecord(run, known) : null;
    }

    /// <summary>A piece of any record, sealed as it lies there; <see langword="null"/> if there is none of this
    /// name.</summary>
    /// <param name="name">Of the record.</param>
    /// <param name="first">The first byte.</param>
    /// <param name="bytes">At most so many.</param>
    public async Task<RecordPiece?> Record(string name, int first, int bytes)
    {
        var known = await Read(name);
        if (!known.RecordExists)
            return null;
        var all = known.State!.Bytes;
        return new RecordPiece(
            all.AsSpan(Math.Min(first, all.Length), Math.Min(bytes, Math.Max(0, all.Length - first))).ToArray(),
            all.Length
        );
    }

    /// <summary>Enters a run, or what has become of it.</summary>
    /// <exception cref="RunTakenException">The id belongs to a run of another run file, of which nothing was
    /// changed.</exception>
    public async Task Enter(RunRecord record)
    {
        var entry = new RunEntry(record.Plan.Run, record.Status);
        await Retry(
            NameOf(entry.Run),
            known =>
                Task.FromResult(
                    known.RecordExists && OpenRecord(entry.Run, known).Plan.Fingerprint != record.Plan.Fingerprint
                        ? throw new RunTakenException(entry.Run)
                        : record
                )
        );
        await Retry(
            Index,
            async known =>
            {
                var runs = Open(known) ?? await FindAll();
                return new RunIndex(
                    runs.Any(r => r.Run == entry.Run)
                        ? [.. runs.Select(r => r.Run == entry.Run ? entry : r)]
                        : [.. runs, entry]
                );
            }
        );
    }

    private async Task<ImmutableArray<RunEntry>> FindAll()
    {
        var runs = ImmutableArray.CreateBuilder<RunEntry>();
        foreach (var run in await names.Runs())
        {
            try
            {
                if (await Find(run) is { } record)
                    runs.Add(new RunEntry(run, record.Status));
            }
            catch (BrokenRecordException e)
            {
                logger.LogWarning("run {Run} is left out of the list of runs: {Reason}", run, e.Message);
            }
        }

        return runs.ToImmutable();
    }

    private async Task Retry<T>(string name, Func<GrainState<StoredBytes>, Task<T>> change)
    {
        for (var attempt = 1; ; attempt++)
        {
            var known = await Read(name);
            try
            {
                await Write(name, known, await change(known));
                return;
            }
            catch (InconsistentStateException) when (attempt < Attempts)
            {
                // Another silo entered something meanwhile: read again, and add to that.
            }
        }
    }

    private async Task Write<T>(string name, GrainState<StoredBytes> known, T value)
    {
        try
        {
            await records.Replace(name, known, value);
        }
        catch (Exception e) when (StoreUnreachableException.IsOfStore(e))
        {
            throw new StoreUnreachableException(e);
        }
    }

    private async Task<GrainState<StoredBytes>> Read(string name)
    {
        try
        {
            return await records.Read(name);
        }
        catch (Exception e) when (StoreUnreachableException.IsOfStore(e))
        {
            throw new StoreUnreachableException(e);
        }
    }

    // None where the index cannot be read.
    private ImmutableArray<RunEntry>? Open(GrainState<StoredBytes> known)
    {
        if (!known.RecordExists)
            return [];
        try
        {
            return records.Open<RunIndex>(known).Runs;
        }
        catch (BrokenRecordException e)
        {
            logger.LogWarning(
                "the list of runs, {Index}, is broken: {Reason}; it is made anew from the runs' own records",
                Index,
                e.Message
            );
            return null;
        }
    }

    private RunRecord OpenRecord(string run, GrainState<StoredBytes> known)
    {
        try
        {
            return records.Open<RunRecord>(known);
        }
        catch (BrokenRecordException e)
        {
            throw new BrokenRecordException($"the record of run {run}, {NameOf(run)}, is broken: {e.Message}");
        }
    }

    private static string NameOf(string run) => $"{run}/{RecordName}";
}

/// <summary>Finds the runs that a store holds by looking at the names of its records.</summary>
public interface IRunNames
{
    /// <summary>Ids of all runs, in order.</summary>
    Task<ImmutableArray<string>> Runs();
}

/// <summary>A part of a record that may be longer than a message can be.</summary>
/// <param name="Bytes">Of this piece.</param>
/// <param name="Length">Of the whole record.</param>
[GenerateSerializer, Immutable, Alias("record-piece")]
public sealed record RecordPiece([property: Id(0)] byte[] Bytes, [property: Id(1)] int Length);

/// <summary>A run as its cluster knows it.</summary>
/// <param name="Plan">Everything that its parts must agree on.</param>
/// <param name="Deadline">How long a step may take without progress.</param>
/// <param name="RunFile">The run file's text with every default spelt out.</param>
/// <param name="Status">Training while nobody has said that it is over.</param>
/// <param name="Reason">Why it failed.</param>
/// <param name="Steps">Committed when it ended.</param>
[GenerateSerializer, Immutable, Alias("run-record")]
public sealed record RunRecord(
    [property: Id(0)] RunPlan Plan,
    [property: Id(1)] TimeSpan Deadline,
    [property: Id(2)] string RunFile,
    [property: Id(3)] RunStatus Status,
    [property: Id(4)] string? Reason,
    [property: Id(5)] int Steps
);

/// <summary>A run in the index of all runs.</summary>
/// <param name="Run">Its id.</param>
/// <param name="Status">As in <see cref="RunRecord"/>.</param>
[GenerateSerializer, Immutable, Alias("run-entry")]
public sealed record RunEntry([property: Id(0)] string Run, [property: Id(1)] RunStatus Status);

[GenerateSerializer, Immutable, Alias("run-index")]
internal sealed record RunIndex([property: Id(0)] ImmutableArray<RunEntry> Runs);
