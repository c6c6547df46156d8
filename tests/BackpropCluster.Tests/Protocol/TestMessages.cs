using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>Messages as they would come off the wire, for parts of one plan.</summary>
internal sealed record TestMessages(RunPlan Plan)
{
    public int Term { get; init; } = 1;

    public MessageKey Key(int step, Phase phase, ActorId from, int microbatch = 0) =>
        new(Plan.Fingerprint, Term, step, phase, microbatch, from, default);

    public Restore Restore() =>
        new(
            Key(1, Phase.Forward, ActorId.Coordinator),
            Plan,
            new Placement(["a"], [.. Enumerable.Repeat(0, Plan.ActorCount)], "a"),
            null
        );

    public Advance Advance(int step) => new(Key(step, Phase.Forward, ActorId.Coordinator));

    public Evaluate Evaluate(int version, int chunk = 0) =>
        new(Key(version, Phase.Evaluate, ActorId.Coordinator, chunk));

    /// <summary>y of one unit and one row.</summary>
    public Activations Activation(int step, ActorId from, double y, Phase phase = Phase.Forward) =>
        new(Key(step, phase, from), new Payload(1, 1, [y]));

    /// <summary>y of both of the tutorial's hidden units, as their exchange gathers them.</summary>
    public Activations Hidden(int step, double first = 0.6, double second = 0.5, Phase phase = Phase.Forward) =>
        new(Key(step, phase, ActorId.Exchange(0, 1)), new Payload(2, 1, [first, second]));

    /// <summary>∂E/∂y of both of the tutorial's outputs.</summary>
    public Deltas Slopes(int step, double first = 0.7, double second = -0.2) =>
        new(Key(step, Phase.Backward, ActorId.Loss), new Payload(2, 1, [first, second]));
}
