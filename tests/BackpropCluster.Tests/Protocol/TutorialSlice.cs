using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>The neuron o1 of the tutorial: two units below, the Loss above.</summary>
internal sealed class TutorialSlice
{
    private static readonly RunSpec Spec = Runs.Mazur(100, UpdateOrder.AfterBackward);

    public TutorialSlice(TraceSpec? trace = null) =>
        Letters = new TestMessages(
            Runs.Plan(Spec, Runs.BuiltIn(Spec), Granularity.Neuron) with
            {
                Trace = trace ?? TraceSpec.None,
            }
        );

    public static ActorId H1 { get; } = ActorId.Shard(1, 0);

    public static ActorId H2 { get; } = ActorId.Shard(1, 1);

    /// <summary>Messages of term 1.</summary>
    public TestMessages Letters { get; }

    public ShardActor State { get; } = new(ActorId.Shard(2, 0));

    public RecordingOutbox Outbox { get; } = new();

    public TutorialSlice Receive(params ReadOnlySpan<Message> messages)
    {
        foreach (var message in messages)
            State.Receive(message, Outbox);
        return this;
    }

    /// <summary>Restored in term 1, with so many steps computed, the last of them not yet known to be
    /// committed.</summary>
    public static TutorialSlice After(int steps)
    {
        var shard = new TutorialSlice();
        shard.Receive(shard.Letters.Restore());
        for (var step = 1; step <= steps; step++)
            shard.Receive(shard.Letters.Advance(step), shard.Letters.Hidden(step), shard.Letters.Slopes(step));
        shard.Outbox.Sent.Clear();
        return shard;
    }
}
