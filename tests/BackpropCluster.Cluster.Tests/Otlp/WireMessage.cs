using System.Runtime.InteropServices;
using Google.Protobuf;

namespace BackpropCluster.ClusterTests.Otlp;

/// <summary>A protobuf message as it stands on the wire, without a schema:
/// https://protobuf.dev/programming-guides/encoding/</summary>
internal sealed class WireMessage(ByteString bytes)
{
    private readonly ILookup<int, WireField> fields = Read(bytes).ToLookup(f => f.Number);

    /// <summary>The last of this number, which is the one that counts; an empty one where none was sent.</summary>
    public WireField One(int number) => fields[number].LastOrDefault(new WireField(number, 0, ByteString.Empty));

    /// <summary>The only one of these, of which one must be there.</summary>
    public WireField OneOf(params int[] numbers) => numbers.SelectMany(number => fields[number]).Single();

    /// <summary>The messages of a repeated field.</summary>
    public IEnumerable<WireMessage> Each(int number) => fields[number].Select(f => f.Message);

    private static IEnumerable<WireField> Read(ByteString bytes)
    {
        using var input = bytes.CreateCodedInput();
        while (input.ReadTag() is not 0 and var tag)
        {
            var number = WireFormat.GetTagFieldNumber(tag);
            yield return WireFormat.GetTagWireType(tag) switch
            {
                WireFormat.WireType.Varint => new(number, input.ReadUInt64(), ByteString.Empty),
                WireFormat.WireType.Fixed64 => new(number, input.ReadFixed64(), ByteString.Empty),
                WireFormat.WireType.Fixed32 => new(number, input.ReadFixed32(), ByteString.Empty),
                WireFormat.WireType.LengthDelimited => new(number, 0, input.ReadBytes()),
                var type => throw new InvalidDataException($"field {number} is a {type}, which OTLP has none of"),
            };
        }
    }
}

/// <summary>One field of a message.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Bits">The value of a number; 0 where it holds bytes.</param>
/// <param name="Bytes">A text, a message, or packed numbers; empty where it is a number.</param>
internal readonly record struct WireField(int Number, ulong Bits, ByteString Bytes)
{
    public string Text => Bytes.ToStringUtf8();

    public string Hex => Convert.ToHexStringLower(Bytes.Span);

    public double Real => BitConverter.UInt64BitsToDouble(Bits);

    public WireMessage Message => new(Bytes);

    /// <summary>Numbers of eight bytes one after the other.</summary>
    public T[] Packed<T>()
        where T : struct => MemoryMarshal.Cast<byte, T>(Bytes.Span).ToArray();
}
