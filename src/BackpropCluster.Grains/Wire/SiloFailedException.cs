using System.Buffers;
using Orleans.Serialization.Buffers;
using Orleans.Serialization.Codecs;
using Orleans.Serialization.Serializers;
using Orleans.Serialization.WireProtocol;

namespace BackpropCluster.Grains.Wire;

/// <summary>What went wrong on a silo, of a type that only some library there knows: the type's name and what it
/// said.</summary>
[GenerateSerializer, Alias("silo-failed")]
public sealed class SiloFailedException(Exception cause) : Exception($"{cause.GetType().Name}: {cause.Message}");

/// <summary>Writes exceptions of libraries as <see cref="SiloFailedException"/>, also where they stand inside
/// another.</summary>
/// <remarks>Orleans has no codec for them: whoever asked would be told of the codec, and not of what had
/// happened.</remarks>
internal sealed class LibraryExceptionCodec(ICodecProvider codecs) : IGeneralizedCodec
{
    private IFieldCodec<SiloFailedException> Codec => field ??= codecs.GetCodec<SiloFailedException>();

    // Types with a codec of their own are never asked about, and those of .NET have one of Orleans'.
    public bool IsSupportedType(Type type) =>
        type.IsAssignableTo(typeof(Exception))
        && type.Namespace is { } name
        && !name.StartsWith("System", StringComparison.Ordinal)
        && !name.StartsWith("Microsoft", StringComparison.Ordinal);

    public void WriteField<TBufferWriter>(
        ref Writer<TBufferWriter> writer,
        uint fieldIdDelta,
        Type? expectedType,
        object? value
    )
        where TBufferWriter : IBufferWriter<byte> =>
        Codec.WriteField(
            ref writer,
            fieldIdDelta,
            expectedType,
            value as SiloFailedException ?? new SiloFailedException((Exception)value!)
        );

    public object? ReadValue<TInput>(ref Reader<TInput> reader, Field field) => Codec.ReadValue(ref reader, field);
}
