namespace BackpropCluster.Core.Protocol;

/// <summary>Where a state machine puts what it has to say. The carrier delivers it: Orleans, or a simulator.</summary>
public interface IOutbox
{
    /// <summary>Hands one message to each of the receivers; they share the object.</summary>
    void Send(Recipients to, Message message);

    /// <summary>Asks for what a Restore needs: the model of its checkpoint, if it names one, and the run's
    /// rows.</summary>
    /// <param name="restore">The Restore, which comes back with <see cref="Restore.Loaded"/>.</param>
    /// <param name="rows">Whether a part of this silo needs rows.</param>
    /// <remarks>Only an exchange is sent what must be loaded first, so only its carrier can.</remarks>
    void Load(Restore restore, bool rows) =>
        throw new InvariantViolationException($"{restore.Key.From} was asked to load something");

    /// <summary>Says what has just happened: what a part computed, only in steps whose key carries a trace; what became
    /// of the run (<see cref="RunObservation"/>), always.</summary>
    void Observe(Observation observation);
}

/// <summary>Whom a message is for.</summary>
/// <param name="Kind">The kind of receiver, or every part but the coordinator.</param>
/// <param name="Number">For shards: all shards of this layer; for an exchange: its silo's place in the
/// placement.</param>
/// <remarks>An exchange speaks to the parts of its own silo only: from it, everyone is everyone there.</remarks>
public readonly record struct Recipients(RecipientKind Kind, int Number)
{
    public static Recipients Coordinator { get; } = new(RecipientKind.Coordinator, 0);
    public static Recipients Source { get; } = new(RecipientKind.Source, 0);
    public static Recipients Loss { get; } = new(RecipientKind.Loss, 0);
    public static Recipients Store { get; } = new(RecipientKind.Store, 0);
    public static Recipients Everyone { get; } = new(RecipientKind.Everyone, 0);

    public static Recipients ShardsOf(int layer) => new(RecipientKind.Layer, layer);

    public static Recipients Exchange(int silo) => new(RecipientKind.Exchange, silo);
}

public enum RecipientKind : byte
{
    Coordinator,
    Source,
    Layer,
    Loss,
    Everyone,
    Store,
    Exchange,
}
