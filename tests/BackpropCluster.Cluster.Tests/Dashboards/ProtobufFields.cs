using System.Buffers.Binary;
using System.Text;

namespace BackpropCluster.Tests.Dashboards;

/// <summary>One field of a protobuf message: its number and its bytes or its number of eight bytes.</summary>
internal readonly record struct ProtobufField(int Number, ReadOnlyMemory<byte> Bytes, ulong Value)
{
    public string Text => Encoding.UTF8.GetString(Bytes.Span);

    public double Double => BitConverter.UInt64BitsToDouble(Value);

    /// <summary>The fields of the message that this field holds.</summary>
    public IEnumerable<ProtobufField> Fields => Read(Bytes);

    /// <summary>Numbers of eight bytes one after the other.</summary>
    public ulong[] Packed
    {
        get
        {
            var numbers = new ulong[Bytes.Length / 8];
            for (var i = 0; i < numbers.Length; i++) numbers[i] = BinaryPrimitives.ReadUInt64LittleEndian(Bytes.Span[(8 * i)..]);
            return numbers;
        }
    }

    /// <summary>Reads a message field by field, in its order.</summary>
    /// <exception cref="InvalidDataException">It is cut off, or none.</exception>
    public static IEnumerable<ProtobufField> Read(ReadOnlyMemory<byte> message)
    {
        for (var at = 0; at < message.Length;)
        {
            var tag = Varint(message.Span, ref at);
            var (number, type) = ((int)(tag >> 3), (int)(tag & 7));
            switch (type)
            {
                case 0:
                    yield return new ProtobufField(number, default, Varint(message.Span, ref at));
                    break;
                case 1:
                    yield return new ProtobufField(number, default, BinaryPrimitives.ReadUInt64LittleEndian(Slice(message, ref at, 8).Span));
                    break;
                case 2:
                    var length = (int)Varint(message.Span, ref at);
                    yield return new ProtobufField(number, Slice(message, ref at, length), 0);
                    break;
                case 5:
                    yield return new ProtobufField(number, default, BinaryPrimitives.ReadUInt32LittleEndian(Slice(message, ref at, 4).Span));
                    break;
                default:
                    throw new InvalidDataException($"protobuf has no wire type {type}");
            }
        }
    }

    private static ReadOnlyMemory<byte> Slice(ReadOnlyMemory<byte> message, ref int at, int length)
    {
        if (length < 0 || length > message.Length - at) throw new InvalidDataException($"{length} bytes were announced, {message.Length - at} are left");
        at += length;
        return message.Slice(at - length, length);
    }

    private static ulong Varint(ReadOnlySpan<byte> bytes, ref int at)
    {
        var value = 0UL;
        for (var shift = 0; shift < 64; shift += 7)
        {
            if (at == bytes.Length) throw new InvalidDataException("a number is cut off");
            var part = bytes[at++];
            value |= (ulong)(part & 0x7f) << shift;
            if (part < 0x80) return value;
        }

        throw new InvalidDataException("a number has more than ten bytes");
    }
}
