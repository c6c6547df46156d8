using System.Buffers;
using System.Diagnostics;
using BackpropCluster.Core.Protocol;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;

namespace BackpropCluster.Cli.Verbs;

internal enum CodecDirection
{
    Write,
    Read,
}

/// <summary>The codec of payloads beside Orleans' own for arrays of doubles, on the same numbers.</summary>
internal static class CodecBench
{
    private const int Values = 16_384;
    private const int Turns = 400;
    private static readonly Serializer Serializer = new ServiceCollection()
        .AddSerializer()
        .BuildServiceProvider()
        .GetRequiredService<Serializer>();

    public static double PayloadsPerSecond(CodecDirection direction) =>
        PerSecond(new Payload(1, Values, new double[Values]), direction);

    public static double ArraysPerSecond(CodecDirection direction) =>
        PerSecond(Array.ConvertAll(new double[Values], _ => Math.PI), direction);

    private static double PerSecond<T>(T value, CodecDirection direction)
    {
        var buffer = new ArrayBufferWriter<byte>(2 * sizeof(double) * Values);
        Serializer.Serialize(value, buffer);
        var start = Stopwatch.GetTimestamp();
        for (var turn = 0; turn < Turns; turn++)
        {
            if (direction == CodecDirection.Read)
            {
                Serializer.Deserialize<T>(buffer.WrittenMemory);
                continue;
            }

            buffer.ResetWrittenCount();
            Serializer.Serialize(value, buffer);
        }

        return Turns / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
