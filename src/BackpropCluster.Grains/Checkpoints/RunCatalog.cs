using System.Collections.Immutable;
using BackpropCluster.Core.Protocol;
using Orleans.Storage;

namespace BackpropCluster.Grains.Checkpoints;

/// <summary>The runs of a cluster, kept where its checkpoints are: a run belongs to the cluster, not to the client that began it.</summary>
public sealed class RunCatalog(SealedRecords records)
{
    // A point begins no run's id.
    private const string Index = ".cluster/runs";
    private const int Attempts = 10;

    /// <summary>All runs, the oldest first.</summary>
    public async Task<ImmutableArray<RunEntry>> Runs() => Open(await Read(Index));

    /// <summary>What is known of a run; <see langword="null"/> if there is no such run.</summary>
    public async Task<RunRecord?> Find(string run)
    {
        var known = await Read(NameOf(run));
        return known.RecordExists ? records.Open<RunRecord>(known) : null;
    }

    /// <summary>Any record, sealed as it lies there; <see langword="null"/> if there is none of this name.</summary>
    public async Task<byte[]?> Record(string name)
    {
        var known = await Read(name);
        return known.RecordExists ? known.State!.Bytes : null;
    }

    /// <summary>Enters a run, or what has become of it.</summary>
    public async Task Enter(RunRecord record)
    {
        var entry = new RunEntry(record.Plan.Run, record.Status);
        await Retry(NameOf(entry.Run), _ => record);
        await Retry(Index, known => new RunIndex(Open(known) is var runs && runs.Any(r => r.Run == entry.Run) ? [.. runs.Select(r => r.Run == entry.Run ? entry : r)] : [.. runs, entry]));
    }

    private async Task Retry<T>(string name, Func<GrainState<StoredBytes>, T> change)
    {
        for (var attempt = 1; ; attempt++)
        {
            var known = await Read(name);
            try
            {
                await records.Replace(name, known, change(known));
                return;
            }
            catch (InconsistentStateException) when (attempt < Attempts)
            {
                // Another silo entered something meanwhile: read again, and add to that.
            }
            catch (Exception e) when (StoreUnreachableException.IsMeant(e))
            {
                throw new StoreUnreachableException(e);
            }
        }
    }

    private async Task<GrainState<StoredBytes>> Read(string name)
    {
        try
        {
            return await records.Read(name);
        }
        catch (Exception e) when (StoreUnreachableException.IsMeant(e))
        {
            throw new StoreUnreachableException(e);
        }
    }

    private ImmutableArray<RunEntry> Open(GrainState<StoredBytes> known) => known.RecordExists ? records.Open<RunIndex>(known).Runs : [];

    private static string NameOf(string run) => $"{run}/checkpoints/run";
}

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
    [property: Id(5)] int Steps);

/// <summary>A run in the index of all runs.</summary>
/// <param name="Run">Its id.</param>
/// <param name="Status">As in <see cref="RunRecord"/>.</param>
[GenerateSerializer, Immutable, Alias("run-entry")]
public sealed record RunEntry([property: Id(0)] string Run, [property: Id(1)] RunStatus Status);

[GenerateSerializer, Immutable, Alias("run-index")]
internal sealed record RunIndex([property: Id(0)] ImmutableArray<RunEntry> Runs);
