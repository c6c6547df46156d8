using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>The neuron o1 of the tutorial: two senders below with one unit each, the Loss above.</summary>
internal sealed class TutorialSlice
{
    private static readonly RunSpec Spec = Runs.Mazur(100, UpdateOrder.AfterBackward);

    public TutorialSlice(RunSpec? spec = null) => Letters = new Letters(Runs.Plan(spec ?? Spec, Runs.BuiltIn(Spec), Granularity.Neuron));

    public static PartId H1 { get; } = PartId.Slice(1, 0);

    public static PartId H2 { get; } = PartId.Slice(1, 1);

    /// <summary>Messages of term 1.</summary>
    public Letters Letters { get; }

    public SliceState State { get; } = new(PartId.Slice(2, 0), (_, id) => throw new InvalidOperationException($"nothing was saved, but {id} is opened"));

    public RecordingOutbox Outbox { get; } = new();

    public TutorialSlice Receive(params ReadOnlySpan<Message> messages)
    {
        foreach (var message in messages) State.Receive(message, Outbox);
        return this;
    }

    /// <summary>Restored in term 1, with so many steps computed, the last of them not yet known to be committed.</summary>
    public static TutorialSlice After(int steps)
    {
        var slice = new TutorialSlice();
        slice.Receive(slice.Letters.Restore());
        for (var step = 1; step <= steps; step++)
            slice.Receive(slice.Letters.Advance(step), slice.Letters.Activation(step, H1, 0.6), slice.Letters.Activation(step, H2, 0.5), slice.Letters.Slopes(step));
        slice.Outbox.Sent.Clear();
        return slice;
    }
}
