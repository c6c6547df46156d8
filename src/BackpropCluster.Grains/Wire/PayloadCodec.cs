using System.Buffers;
using System.Runtime.InteropServices;
using BackpropCluster.Core.Protocol;
using Orleans.Serialization;
using Orleans.Serialization.Buffers;
using Orleans.Serialization.Cloning;
using Orleans.Serialization.Codecs;
using Orleans.Serialization.Serializers;
using Orleans.Serialization.WireProtocol;

namespace BackpropCluster.Grains.Wire;

/// <summary>A payload on the wire: length-prefixed; units and rows as 32-bit numbers, then the values' bytes as they
/// lie in memory.</summary>
/// <remarks>Orleans' own codec for arrays of doubles writes element by element and is some twenty times slower.
/// Little-endian machines only, which is every machine .NET 10 runs on.</remarks>
[RegisterSerializer]
internal sealed class PayloadCodec : IFieldCodec<Payload>
{
    private const uint HeaderBytes = 2 * sizeof(uint);

    public void WriteField<TBufferWriter>(
        ref Writer<TBufferWriter> writer,
        uint fieldIdDelta,
        Type? expectedType,
        Payload? value
    )
        where TBufferWriter : IBufferWriter<byte>
    {
        if (ReferenceCodec.TryWriteReferenceField(ref writer, fieldIdDelta, expectedType!, value) || value is null)
            return;
        writer.WriteFieldHeader(fieldIdDelta, expectedType!, typeof(Payload), WireType.LengthPrefixed);
        var bytes = MemoryMarshal.AsBytes<double>(value.Values);
        writer.WriteVarUInt32(HeaderBytes + (uint)bytes.Length);
        writer.WriteUInt32((uint)value.Units);
        writer.WriteUInt32((uint)value.Rows);
        writer.Write(bytes);
    }

    public Payload ReadValue<TInput>(ref Reader<TInput> reader, Field field)
    {
        if (field.IsReference)
            return ReferenceCodec.ReadReference<Payload, TInput>(ref reader, field)!;
        if (field.WireType != WireType.LengthPrefixed)
            throw Refuse($"wire type {field.WireType}, expected {WireType.LengthPrefixed}");

        // Every length is checked before a byte is allocated: a sender that lies must not be able to ask for memory.
        var length = reader.ReadVarUInt32();
        if (length < HeaderBytes)
            throw Refuse($"{length} bytes, expected at least {HeaderBytes}");
        reader.EnsureAvailable(length);
        var (units, rows) = (reader.ReadUInt32(), reader.ReadUInt32());
        var bytes = length - HeaderBytes;
        if ((ulong)units * rows > Payload.MaxValues)
            throw Refuse($"{units} units × {rows} rows, at most {Payload.MaxValues} values are accepted");
        if ((ulong)units * rows * sizeof(double) != bytes)
            throw Refuse($"{bytes} bytes for {units} units × {rows} rows");

        var values = new double[units * rows];
        reader.ReadBytes(MemoryMarshal.AsBytes(values.AsSpan()));
        var payload = new Payload((int)units, (int)rows, values);
        ReferenceCodec.RecordObject(reader.Session, payload);
        return payload;
    }

    private static PayloadRefusedException Refuse(string fact) => new(fact);
}

/// <summary>A payload's bytes contradict themselves; nothing was allocated for it.</summary>
public sealed class PayloadRefusedException(string fact) : SerializerException($"payload refused: {fact}");

/// <summary>Hands the same instance on: a payload is immutable, and copying it for each receiver is what it exists to
/// avoid.</summary>
[RegisterCopier]
internal sealed class PayloadCopier : IDeepCopier<Payload>
{
    public Payload? DeepCopy(Payload? input, CopyContext context) => input;
}
