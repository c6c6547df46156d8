using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation;

/// <summary>Who sends or gets a message.</summary>
/// <param name="Place">The number of the silo it stands on; of a coordinator its own number, or <see cref="Anyone"/>; 0
/// for the store.</param>
/// <param name="Part">Which part there.</param>
internal readonly record struct Address(int Place, ActorId Part)
{
    /// <summary>Whoever leads: messages to a coordinator are addressed to the run, not to one of several that may lead
    /// it.</summary>
    public const int Anyone = -1;

    public static Address Leader { get; } = new(Anyone, ActorId.Coordinator);

    public static Address Store { get; } = new(0, ActorId.Store);
}

/// <summary>What reaches a receiver besides messages.</summary>
internal enum Notice : byte
{
    None,

    /// <summary>To a coordinator: look who is a member.</summary>
    Members,

    /// <summary>To the cluster: is the run led by somebody?</summary>
    Wake,

    /// <summary>To a silo: let go of what you hold.</summary>
    Release,
}

/// <summary>A message on its way, or a notice.</summary>
internal readonly record struct Envelope(Address From, Address To, Message? Message, Notice Notice = Notice.None)
{
    public override string ToString()
    {
        var what = Message is null
            ? Notice.ToString()
            : $"{Message.GetType().Name} of term {Message.Key.Term}, step {Message.Key.Step}";
        return $"{what}, {Name(From)} to {Name(To)}";
    }

    private static string Name(Address a) =>
        a.Part.Kind switch
        {
            ActorRole.Coordinator => a.Place == Address.Anyone ? "Coordinator" : $"Coordinator {a.Place}",
            ActorRole.Exchange or ActorRole.Store => a.Part.ToString(),
            _ => a.Place == 0 ? a.Part.ToString() : $"{a.Part} on silo {a.Place}",
        };
}

/// <summary>All messages under way, in the order of their sending as far as nobody overtook.</summary>
internal sealed class InFlightMessages
{
    private Envelope[] ring = new Envelope[64];
    private int front;

    public int Count { get; private set; }

    public void Add(Envelope envelope)
    {
        if (Count == ring.Length)
            Grow();
        ring[(front + Count++) & (ring.Length - 1)] = envelope;
    }

    /// <summary>Takes the one at a place behind the first; the first takes its place, so that nothing has to move
    /// up.</summary>
    public Envelope Take(int index)
    {
        var place = (front + index) & (ring.Length - 1);
        var taken = ring[place];
        ring[place] = ring[front];
        ring[front] = default;
        front = (front + 1) & (ring.Length - 1);
        Count--;
        return taken;
    }

    private void Grow()
    {
        var larger = new Envelope[2 * ring.Length];
        for (var i = 0; i < Count; i++)
            larger[i] = ring[(front + i) & (ring.Length - 1)];
        (ring, front) = (larger, 0);
    }
}
