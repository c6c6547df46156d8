using System.Buffers;
using System.Collections.Immutable;
using BackpropCluster.Core;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Wire;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;
using Orleans.Serialization.Buffers;
using Orleans.Serialization.Codecs;
using Orleans.Serialization.Serializers;
using Orleans.Serialization.Session;
using Orleans.Serialization.WireProtocol;

namespace BackpropCluster.ClusterTests;

/// <summary>What goes over the wire comes back as it was, and bytes that lie are refused before anything is
/// allocated.</summary>
public sealed class WireTests : IDisposable
{
    private readonly ServiceProvider services = new ServiceCollection().AddSerializer().BuildServiceProvider();

    private static readonly MessageKey Key = new(
        ulong.MaxValue - 3,
        7,
        11,
        Phase.Evaluate,
        2,
        ActorId.Shard(3, 5),
        new TraceContext(1, 2, 3)
    );
    private static readonly Payload Numbers = new(
        2,
        3,
        [0, -0.0, double.NaN, double.NegativeInfinity, double.Epsilon, 1.0 / 3]
    );

    public static TheoryData<string> Kinds() =>
        [.. typeof(Message).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(Message))).Select(t => t.Name)];

    [Theory, MemberData(nameof(Kinds))]
    public void EveryMessageComesBackEqual(string kind)
    {
        var message = Messages().Single(m => m.GetType().Name == kind);
        var back = RoundTrip(message);
        Assert.Equal(Comparable(message), Comparable(back));
    }

    [Fact]
    public void TheRunFileComesBackWithEveryKey()
    {
        var plan = ((Restore)Messages().First()).Plan;
        var back = RoundTrip(plan);
        Assert.Equal(plan.Spec.Model.Layers, back.Spec.Model.Layers);
        Assert.Equal(plan.Spec with { Model = back.Spec.Model }, back.Spec);
        Assert.Equal(plan.ShardsOf(2), back.ShardsOf(2));
    }

    [Fact]
    public void APayloadKeepsEveryBit()
    {
        var back = RoundTrip(Numbers);
        Assert.Equal((2, 3), (back.Units, back.Rows));
        Assert.Equal(
            Numbers.Values.Select(BitConverter.DoubleToInt64Bits),
            back.Values.Select(BitConverter.DoubleToInt64Bits)
        );
    }

    [Fact]
    public void APayloadIsNotCopiedForALocalReceiver() =>
        Assert.Same(Numbers, services.GetRequiredService<DeepCopier<Payload>>().Copy(Numbers));

    [Theory]
    [InlineData(0u, 0u, 0u, "0 bytes, expected at least 8")]
    [InlineData(7u, 0u, 0u, "7 bytes, expected at least 8")]
    [InlineData(8u, 1u, 1u, "0 bytes for 1 units × 1 rows")]
    [InlineData(15u, 1u, 1u, "7 bytes for 1 units × 1 rows")]
    [InlineData(24u, 1u, 1u, "16 bytes for 1 units × 1 rows")]
    [InlineData(16u, 0xFFFFFFFFu, 0xFFFFFFFFu, "at most 134217728 values")]
    [InlineData(16u, 0x80000000u, 2u, "at most 134217728 values")]
    [InlineData(8u, 0x8000000u, 1u, "0 bytes for 134217728 units × 1 rows")]
    public void APayloadThatContradictsItselfIsRefused(uint length, uint units, uint rows, string because)
    {
        Read(16, 1, 1, following: 8); // what the serializer sets up once is not to be counted
        var before = GC.GetAllocatedBytesForCurrentThread();
        var refused = Assert.Throws<PayloadRefusedException>(() => Read(length, units, rows, following: 16));
        Assert.Contains(because, refused.Message, StringComparison.Ordinal);
        Assert.True(
            GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20,
            "memory was allocated for a payload that was refused"
        );
    }

    [Theory, InlineData(0x40000008u), InlineData(0xFFFFFFF8u), InlineData(1032u)]
    public void ALengthBeyondTheMessageIsRefusedBeforeAllocation(uint length)
    {
        Read(16, 1, 1, following: 8);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.ThrowsAny<Exception>(() => Read(length, 1 << 27, 1, following: 16));
        Assert.True(
            GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20,
            "memory was allocated for bytes that never came"
        );
    }

    public void Dispose() => services.Dispose();

    private T RoundTrip<T>(T value)
    {
        var serializer = services.GetRequiredService<Serializer>();
        return serializer.Deserialize<T>(serializer.SerializeToArray(value))!;
    }

    /// <summary>A payload field written by hand: its length, units and rows as given, then some bytes.</summary>
    private Payload Read(uint length, uint units, uint rows, int following)
    {
        using var session = services.GetRequiredService<SerializerSessionPool>().GetSession();
        var bytes = new ArrayBufferWriter<byte>();
        var writer = Writer.Create(bytes, session);
        writer.WriteFieldHeader(0, typeof(Payload), typeof(Payload), WireType.LengthPrefixed);
        writer.WriteVarUInt32(length);
        writer.WriteUInt32(units);
        writer.WriteUInt32(rows);
        writer.Write(new byte[following]);
        writer.Commit();
        writer.Dispose();

        var reader = Reader.Create(bytes.WrittenMemory, session);
        var field = reader.ReadFieldHeader();
        return services.GetRequiredService<IFieldCodec<Payload>>().ReadValue(ref reader, field)!;
    }

    /// <summary>A library's exception, whether it stands by itself or inside another, arrives as one of ours that says
    /// as much.</summary>
    [Fact]
    public void AnExceptionOfALibraryArrivesAsOneOfOurs()
    {
        using var silo = new ServiceCollection()
            .AddSerializer()
            .AddSingleton<IGeneralizedCodec, LibraryExceptionCodec>()
            .BuildServiceProvider();
        var lost = new StackExchange.Redis.RedisConnectionException(
            StackExchange.Redis.ConnectionFailureType.SocketClosed,
            "the server has gone"
        );
        foreach (
            var cause in new Exception[]
            {
                lost,
                new InvalidOperationException("the store failed", lost),
                new InvariantViolationException("two heads"),
            }
        )
        {
            // The client has no codec but those of its own types.
            var back = services
                .GetRequiredService<Serializer>()
                .Deserialize<Exception>(silo.GetRequiredService<Serializer>().SerializeToArray(cause))!;
            var told = Assert.IsType<SiloFailedException>(
                cause is InvalidOperationException ? back.InnerException : back
            );
            var original = cause.InnerException ?? cause;
            Assert.Equal($"{original.GetType().Name}: {original.Message}", told.Message);
        }
    }

    // Records compare arrays by reference; a payload's numbers are compared apart.
    private static object Comparable(Message message) =>
        message switch
        {
            Activations a => (a.Key, a.Values.Units, a.Values.Rows, string.Join(' ', a.Values.Values)),
            Deltas d => (d.Key, d.Values.Units, d.Values.Rows, string.Join(' ', d.Values.Values)),
            Restore r => (
                r.Key,
                r.Plan.Run,
                r.Plan.Fingerprint,
                r.Plan.Granularity,
                r.Plan.Features,
                r.Plan.TrainingRows,
                r.Plan.TestRows,
                r.Plan.HasClasses,
                r.From,
                string.Join(' ', r.Placement.Silos),
                string.Join(' ', r.Placement.SiloOfPart)
            ),
            Saved s => (s.Key, string.Join(' ', s.Parts)),
            SaveShard s => (
                s.Key,
                s.Shard,
                s.Part.Parameters.WeightsSum,
                s.Part.Parameters.OutgoingSum,
                string.Join(' ', s.Part.WeightsState.Values)
            ),
            AcquireLeadership l => (l.Key, l.Plan.Run, l.Plan.Fingerprint, l.Plan.Checkpoints),
            LeadershipGranted l => (l.Key, l.Id, Text(l.Checkpoint!), string.Join(' ', l.Warnings)),
            CommitCheckpoint m => (m.Key, Text(m.Checkpoint)),
            _ => message,
        };

    private static Checkpoint Saved =>
        new(
            3,
            new Granularity(4),
            ["00ff", "ff00"],
            [new BatchMetrics(0.25, 3, 4), new BatchMetrics(0.125, null, 4)],
            [new EvaluationMetrics(3, new BatchMetrics(0.5, 1, 2))],
            ["b"]
        );

    private static string Text(Checkpoint c) =>
        $"{c.Version} {c.Granularity} {string.Join(' ', c.Parts)} {string.Join(' ', c.Losses)} "
        + $"{string.Join(' ', c.Evaluations)} {string.Join(' ', c.Leaving)}";

    private static IEnumerable<Message> Messages()
    {
        var spec = Runs.Uneven(5, UpdateOrder.DuringBackward);
        var plan = Runs.Plan(spec, Tables.Open(spec), new Granularity(4)) with { Trace = new TraceSpec(2, 50) };
        yield return new Restore(
            Key,
            plan,
            new Placement(["a", "b"], [.. Enumerable.Range(0, plan.ActorCount).Select(p => p % 2)], "a"),
            new CheckpointId(3, 2, "00ff")
        );
        yield return new Save(Key);
        yield return new SaveShard(
            Key,
            plan.ShardsOf(1)[0],
            new ShardSnapshot(new ShardParameters(Numbers, Numbers, 1, ulong.MaxValue), Numbers, Numbers)
        );
        yield return new Saved(Key, [new SavedShard(ActorId.Shard(2, 1), "00ff", 1, ulong.MaxValue)]);
        yield return new AcquireLeadership(Key, plan);
        yield return new LeadershipGranted(
            Key,
            new CheckpointId(3, 2, "00ff"),
            Saved,
            ["the checkpoint of step 4 is broken"]
        );
        yield return new CommitCheckpoint(Key, Saved);
        yield return new CheckpointCommitted(Key);
        yield return new StoreFailed(Key, StoreFault.Unavailable, "because");
        yield return new Restored(Key);
        yield return new Advance(Key);
        yield return new Evaluate(Key);
        yield return new Activations(Key, Numbers);
        yield return new Deltas(Key, Numbers);
        yield return new Ready(Key);
        yield return new Report(Key, new BatchMetrics(0.25, 3, 4));
        yield return new NeedRestore(Key);
        yield return new Failure(Key, FailureKind.Divergence, "because");
    }
}
