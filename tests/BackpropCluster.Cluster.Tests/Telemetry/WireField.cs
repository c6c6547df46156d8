using System.Buffers.Binary;
using System.Text;

namespace BackpropCluster.Tests.Telemetry;

/// <summary>One field of a protobuf message: https://protobuf.dev/programming-guides/encoding/</summary>
/// <param name="Number">Its number.</param>
/// <param name="Bits">The value of a number; 0 where it holds bytes.</param>
/// <param name="Bytes">A text, a message, or packed numbers; empty where it is a number.</param>
internal readonly record struct WireField(int Number, ulong Bits, ReadOnlyMemory<byte> Bytes)
{
    private const int VarintBits = 7;
    private const int TypeBits = 3;

    public string Text => Encoding.UTF8.GetString(Bytes.Span);

    public string Hex => Convert.ToHexStringLower(Bytes.Span);

    public double Real => BitConverter.UInt64BitsToDouble(Bits);

    /// <summary>The fields of a message, as they stand on the wire.</summary>
    public static List<WireField> Of(ReadOnlyMemory<byte> message)
    {
        var fields = new List<WireField>();
        var bytes = message.Span;
        var at = 0;
        while (at < bytes.Length)
        {
            var tag = Varint(bytes, ref at);
            var number = (int)(tag >> TypeBits);
            switch (tag & ((1 << TypeBits) - 1))
            {
                case 0:
                    fields.Add(new(number, Varint(bytes, ref at), default));
                    break;
                case 1:
                    fields.Add(new(number, BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]), default));
                    at += sizeof(ulong);
                    break;
                case 2:
                    var length = (int)Varint(bytes, ref at);
                    fields.Add(new(number, 0, message.Slice(at, length)));
                    at += length;
                    break;
                case 5:
                    fields.Add(new(number, BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]), default));
                    at += sizeof(uint);
                    break;
                default:
                    throw new InvalidDataException($"field {number} has the wire type {tag & ((1 << TypeBits) - 1)}, which protobuf does not write any more");
            }
        }

        return fields;
    }

    private static ulong Varint(ReadOnlySpan<byte> bytes, ref int at)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += VarintBits)
        {
            var next = bytes[at++];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80) return value;
        }
    }
}
