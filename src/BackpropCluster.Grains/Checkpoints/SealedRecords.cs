using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Orleans.Runtime;
using Orleans.Serialization;
using Orleans.Storage;

namespace BackpropCluster.Grains.Checkpoints;

/// <summary>Records under names in any grain storage, each sealed (<see cref="StoredBytes"/>).</summary>
public sealed class SealedRecords(IGrainStorage storage, Serializer serializer)
{
    /// <summary>The grain type that records go by in their storage.</summary>
    internal const string TypeName = "backprop";

    internal const string StateName = "checkpoint";

    /// <summary>A record as it lies there, with the tag that replacing it needs.</summary>
    public async Task<GrainState<StoredBytes>> Read(string name)
    {
        var state = new GrainState<StoredBytes>(new StoredBytes());
        await storage.ReadStateAsync(StateName, IdOf(name), state);
        state.State ??= new StoredBytes();
        return state;
    }

    /// <summary>What a record holds.</summary>
    /// <param name="record">As it was read.</param>
    /// <param name="digest">SHA-256 that it must have; <see langword="null"/> where any whole record will do.</param>
    /// <exception cref="BrokenRecordException">It is not what was written, or another one.</exception>
    /// <exception cref="RecordFormatException">Another version of the program wrote it.</exception>
    public T Open<T>(GrainState<StoredBytes> record, string? digest = null)
    {
        var bytes = record.State!.Bytes;
        // One hash where it is right: what has the digest of the sealed record has its seal too.
        if (digest is not null && DigestOf(bytes) == digest)
            return Deserialize<T>(StoredBytes.Payload(bytes));
        var payload = StoredBytes.Open(bytes);
        if (digest is not null)
            throw new BrokenRecordException("it belongs to another checkpoint");
        return Deserialize<T>(payload);
    }

    /// <summary>Replaces a record that was read.</summary>
    /// <exception cref="InconsistentStateException">Somebody else replaced it meanwhile.</exception>
    public Task Replace<T>(string name, GrainState<StoredBytes> known, T value)
    {
        known.State = new StoredBytes { Bytes = StoredBytes.Seal(serializer.SerializeToArray(value)) };
        return storage.WriteStateAsync(StateName, IdOf(name), known);
    }

    /// <summary>Writes a record whose name is used for this value only.</summary>
    /// <returns>SHA-256 of the record.</returns>
    public async Task<string> WriteNew<T>(string name, T value)
    {
        var known = await Read(name);
        var bytes = StoredBytes.Seal(serializer.SerializeToArray(value));
        // The same request twice: what stands there may be part of a checkpoint that counts already.
        if (!known.RecordExists || DigestOf(known.State!.Bytes) != DigestOf(bytes))
        {
            known.State = new StoredBytes { Bytes = bytes };
            await storage.WriteStateAsync(StateName, IdOf(name), known);
        }

        return DigestOf(bytes);
    }

    /// <summary>Deletes a record that nothing names any more; does nothing where there is none.</summary>
    public async Task Delete(string name)
    {
        var known = await Read(name);
        if (known.RecordExists)
            await storage.ClearStateAsync(StateName, IdOf(name), known);
    }

    /// <summary>SHA-256 of a record as it is stored.</summary>
    public static string DigestOf(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    // A whole record that stands under another one's name: its seal is right, and its fields are not those that are
    // looked for.
    [SuppressMessage(
        "Design",
        "CA1031",
        Justification = "The serializer throws whatever its readers throw when they meet another type's fields."
    )]
    private T Deserialize<T>(ReadOnlyMemory<byte> payload)
    {
        try
        {
            return serializer.Deserialize<T>(payload) ?? throw new BrokenRecordException("it holds nothing");
        }
        catch (Exception e) when (e is not (BrokenRecordException or OutOfMemoryException))
        {
            throw new BrokenRecordException("it is a record of another kind");
        }
    }

    internal static GrainId IdOf(string name) => GrainId.Create(TypeName, name);
}
