using System.Globalization;

namespace BackpropCluster.Core.Layout;

/// <summary>What a rank does with one stage.</summary>
public enum ActionKind
{
    /// <summary>F: computes a stage's outputs of one microbatch.</summary>
    Forward,

    /// <summary>I: computes δ for the stage below, and keeps what the weights' gradients need.</summary>
    InputBackward,

    /// <summary>W: computes the weights' gradients from what I kept.</summary>
    WeightBackward,

    /// <summary>B: I and W as one action.</summary>
    FullBackward,

    /// <summary>UNSHARD: gathers a stage's parameters.</summary>
    Unshard,

    /// <summary>RESHARD: lets the gathered parameters go.</summary>
    Reshard,

    /// <summary>REDUCE_GRAD: sums a stage's gradients over the replicas.</summary>
    ReduceGradient,

    /// <summary>SEND_F: sends a stage's outputs to the stage above.</summary>
    SendForward,

    /// <summary>RECV_F: takes a stage's inputs from the stage below.</summary>
    ReceiveForward,

    /// <summary>SEND_B: sends δ to the stage below.</summary>
    SendBackward,

    /// <summary>RECV_B: takes δ from the stage above.</summary>
    ReceiveBackward,
}

/// <summary>One action of a pipeline schedule, such as <c>2F0</c>: stage 2, forward, microbatch 0.</summary>
/// <param name="Stage">From 0. A send names the sender's stage, a receive the receiver's.</param>
/// <param name="Kind">What is done.</param>
/// <param name="Microbatch">From 0; 0 for a kind that concerns no single one.</param>
public readonly record struct StageAction(int Stage, ActionKind Kind, int Microbatch = 0)
{
    /// <summary>Whether it computes: F, I, W or B.</summary>
    public bool IsCompute => Kind <= ActionKind.FullBackward;

    /// <summary>Whether it makes the δ that the stage below waits for: I or B.</summary>
    public bool MakesDelta => Kind is ActionKind.InputBackward or ActionKind.FullBackward;

    /// <summary>Whether it completes the gradients of its microbatch and lets the activations go: W or B.</summary>
    public bool Releases => Kind is ActionKind.WeightBackward or ActionKind.FullBackward;

    /// <summary>Whether it moves an array between ranks.</summary>
    public bool IsTransfer => Kind >= ActionKind.SendForward;

    public bool IsSend => Kind is ActionKind.SendForward or ActionKind.SendBackward;

    /// <summary>Whether it concerns a stage as a whole and so names no microbatch.</summary>
    public bool IsOfStage => Kind is ActionKind.Unshard or ActionKind.Reshard or ActionKind.ReduceGradient;

    /// <summary>The other end of a send or a receive.</summary>
    public StageAction Peer =>
        Kind switch
        {
            ActionKind.SendForward => new(Stage + 1, ActionKind.ReceiveForward, Microbatch),
            ActionKind.ReceiveForward => new(Stage - 1, ActionKind.SendForward, Microbatch),
            ActionKind.SendBackward => new(Stage - 1, ActionKind.ReceiveBackward, Microbatch),
            ActionKind.ReceiveBackward => new(Stage + 1, ActionKind.SendBackward, Microbatch),
            _ => throw new InvalidOperationException($"{this} is no transfer and has no other end"),
        };

    public override string ToString() =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Stage}{ScheduleText.NameOf(Kind)}{(IsOfStage ? "" : Microbatch.ToString(CultureInfo.InvariantCulture))}"
        );
}
