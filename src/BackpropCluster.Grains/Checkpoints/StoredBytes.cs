using System.Globalization;
using System.Security.Cryptography;
using Orleans.Storage;

namespace BackpropCluster.Grains.Checkpoints;

/// <summary>A record as grain storage keeps it: bytes with a seal, which no storage looks into.</summary>
/// <remarks>The frame stays the same in every format: six letters, the format in two digits, the payload, SHA-256 over
/// all of them. By that a whole record of another version is told from a damaged one of this version, which the store
/// may write again.</remarks>
public sealed class StoredBytes
{
    private const int SealBytes = 32;
    private const int LettersInMagic = 6;

    // Raised together with the program's version whenever an older program could misread what is in a payload, or this
    // one what is in an older payload: the golden bytes of the tests tell.
    private static ReadOnlySpan<byte> Magic => "BPCREC03"u8;

    /// <summary>The format of the payloads that this program reads and writes.</summary>
    public static int Format { get; } = FormatOf(Magic)!.Value;

    public byte[] Bytes { get; set; } = [];

    /// <summary>Frames a payload: a magic number, the payload, SHA-256 over both.</summary>
    public static byte[] Seal(ReadOnlySpan<byte> payload)
    {
        var bytes = new byte[Magic.Length + payload.Length + SealBytes];
        Magic.CopyTo(bytes);
        payload.CopyTo(bytes.AsSpan(Magic.Length));
        SHA256.HashData(bytes.AsSpan(0, bytes.Length - SealBytes), bytes.AsSpan(bytes.Length - SealBytes));
        return bytes;
    }

    /// <summary>The payload of a sealed record. Nothing in it is looked at before the seal has been found
    /// whole.</summary>
    /// <exception cref="BrokenRecordException">A byte is missing, added or changed.</exception>
    /// <exception cref="RecordFormatException">The record is whole, and of another version of the
    /// program.</exception>
    public static ReadOnlyMemory<byte> Open(byte[] bytes)
    {
        if (bytes.Length < Magic.Length + SealBytes)
            throw new BrokenRecordException($"{bytes.Length} bytes are too few");
        var isOfThisFormat = bytes.AsSpan(0, Magic.Length).SequenceEqual(Magic);
        if (!IsWhole(bytes))
            throw new BrokenRecordException(
                isOfThisFormat
                    ? "its bytes are not those that were written"
                    : "it does not begin as a record of this version"
            );
        if (isOfThisFormat)
            return Payload(bytes);
        throw FormatOf(bytes) is { } other
            ? new RecordFormatException(other)
            : new BrokenRecordException("it does not begin as a record of any version");
    }

    /// <summary>The payload of a record that is known to be whole.</summary>
    internal static ReadOnlyMemory<byte> Payload(byte[] bytes) =>
        bytes.AsMemory(Magic.Length, bytes.Length - Magic.Length - SealBytes);

    internal static T As<T>(byte[] bytes) =>
        new StoredBytes { Bytes = bytes } is T stored ? stored : throw NotOurs(typeof(T));

    internal static byte[] Of<T>(T state) => state is StoredBytes stored ? stored.Bytes : throw NotOurs(typeof(T));

    private static bool IsWhole(byte[] bytes)
    {
        Span<byte> seal = stackalloc byte[SealBytes];
        SHA256.HashData(bytes.AsSpan(0, bytes.Length - SealBytes), seal);
        return seal.SequenceEqual(bytes.AsSpan(bytes.Length - SealBytes));
    }

    private static int? FormatOf(ReadOnlySpan<byte> bytes) =>
        bytes.StartsWith(Magic[..LettersInMagic])
        && int.TryParse(
            bytes[LettersInMagic..Magic.Length],
            NumberStyles.None,
            CultureInfo.InvariantCulture,
            out var format
        )
            ? format
            : null;

    private static NotSupportedException NotOurs(Type type) =>
        new($"this storage keeps {nameof(StoredBytes)}, not {type.Name}");
}

/// <summary>Hands a record to a storage that brings a serializer of its own: bytes stay bytes.</summary>
public sealed class StoredBytesSerializer : IGrainStorageSerializer
{
    public BinaryData Serialize<T>(T? input) => BinaryData.FromBytes(StoredBytes.Of(input));

    public T Deserialize<T>(BinaryData input) => StoredBytes.As<T>(input.ToArray());
}

/// <summary>A stored record is not what was written.</summary>
[GenerateSerializer, Alias("broken-record")]
public sealed class BrokenRecordException(string fact) : Exception(fact);
