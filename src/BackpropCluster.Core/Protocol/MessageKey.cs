namespace BackpropCluster.Core.Protocol;

/// <summary>Which part of the conversation a message belongs to.</summary>
public enum Phase : byte
{
    Forward,
    Backward,

    /// <summary>A forward pass over rows that change no weight. The key's step is the version it wants to
    /// read.</summary>
    Evaluate,

    /// <summary>Putting a committed version into the store. The key's step is that version.</summary>
    Save,
}

/// <summary>The parts that hold a conversation.</summary>
public enum ActorRole : byte
{
    Coordinator,
    Source,
    Shard,
    Loss,

    /// <summary>Keeps checkpoints and the head of the run; no part of the model.</summary>
    Store,

    /// <summary>Gathers and fans out the arrays of one silo; speaks for all parts there.</summary>
    Exchange,
}

/// <summary>A sender: a shard with its layer and its position there, the exchange of a silo by its place in the
/// placement, or one of the single parts.</summary>
[GenerateSerializer, Immutable, Alias("part-id")]
public readonly record struct ActorId(
    [property: Id(0)] ActorRole Kind,
    [property: Id(1)] int Layer,
    [property: Id(2)] int Index
)
{
    public static ActorId Coordinator { get; } = new(ActorRole.Coordinator, 0, 0);
    public static ActorId Source { get; } = new(ActorRole.Source, 0, 0);
    public static ActorId Loss { get; } = new(ActorRole.Loss, 0, 0);
    public static ActorId Store { get; } = new(ActorRole.Store, 0, 0);

    public static ActorId Shard(int layer, int index) => new(ActorRole.Shard, layer, index);

    /// <summary>The exchange of a silo, speaking for its parts, or for the senders of one layer: the Source counts as
    /// layer 0, the Loss as the one above the last.</summary>
    public static ActorId Exchange(int silo, int layer = 0) => new(ActorRole.Exchange, layer, silo);

    public override string ToString() =>
        Kind switch
        {
            ActorRole.Shard => $"shard {Index} of layer {Layer}",
            ActorRole.Exchange => $"exchange {Index}",
            _ => Kind.ToString(),
        };
}

/// <summary>The trace that a step is recorded in, decided once by the coordinator; all zero where it is not
/// recorded.</summary>
/// <remarks>Carried by the key, because Orleans passes no context along without call filters on the hot path.</remarks>
[GenerateSerializer, Immutable, Alias("trace-context")]
public readonly record struct TraceContext(
    [property: Id(0)] ulong High,
    [property: Id(1)] ulong Low,
    [property: Id(2)] ulong Span
)
{
    /// <summary>That a step is recorded, before anybody has given it ids.</summary>
    public static TraceContext Sampled { get; } = new(0, 0, 1);

    public bool IsSampled => Span != 0;
}

/// <summary>What names one message. Two messages with equal keys (trace apart) are one message.</summary>
/// <param name="Run">Fingerprint of the run.</param>
/// <param name="Term">Which attempt to lead the run.</param>
/// <param name="Step">The step, from 1; for <see cref="Phase.Evaluate"/> and <see cref="Phase.Save"/> the version
/// wanted.</param>
/// <param name="Phase">Part of the conversation.</param>
/// <param name="Microbatch">From 0; in evaluation the chunk of rows.</param>
/// <param name="From">The sender.</param>
/// <param name="Trace">The step's trace.</param>
[GenerateSerializer, Immutable, Alias("message-key")]
public readonly record struct MessageKey(
    [property: Id(0)] ulong Run,
    [property: Id(1)] int Term,
    [property: Id(2)] int Step,
    [property: Id(3)] Phase Phase,
    [property: Id(4)] int Microbatch,
    [property: Id(5)] ActorId From,
    [property: Id(6)] TraceContext Trace
)
{
    /// <summary>The version that must be committed for this message to exist: nobody sends one of step s before s − 1
    /// is.</summary>
    public int CommittedVersion => Phase is Phase.Evaluate or Phase.Save ? Step : Step - 1;

    public override string ToString() => $"term {Term}, step {Step}, {Phase}, microbatch {Microbatch}, from {From}";
}
