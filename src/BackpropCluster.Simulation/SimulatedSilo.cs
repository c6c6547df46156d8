using System.Globalization;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation;

/// <summary>A process that holds parts of the run, as they were made by their first message.</summary>
/// <param name="number">From 0, never used again.</param>
/// <param name="create">Makes a part without state.</param>
internal sealed class SimulatedSilo(int number, Func<ActorId, Actor> create)
{
    private readonly Dictionary<ActorId, Actor> parts = [];

    public int Number => number;

    public string Name { get; } = NameOf(number);

    public bool IsAlive { get; private set; } = true;

    /// <summary>Whether it has asked to be rid of its parts.</summary>
    public bool IsLeaving { get; set; }

    /// <summary>Whether it lacks the run's data and so holds no part of it.</summary>
    public bool Objects { get; set; }

    /// <summary>Whom its exchange speaks to.</summary>
    public Router<Address> Router { get; private set; } = Core.Protocol.Router.Nowhere<Address>();

    public static string NameOf(int number) => string.Create(CultureInfo.InvariantCulture, $"silo-{number + 1}");

    public Actor Part(ActorId id)
    {
        if (!parts.TryGetValue(id, out var part))
            parts.Add(id, part = create(id));
        return part;
    }

    /// <summary>The part, if it was ever spoken to.</summary>
    public Actor? Known(ActorId id) => parts.GetValueOrDefault(id);

    /// <summary>The exchange's carrier learns a new term's placement; what stood here and does not any more is let
    /// go.</summary>
    public void Follow(Restore restore, Func<string, Address> exchange)
    {
        var next = Core.Protocol.Router.OfExchange(
            restore.Plan,
            restore.Placement,
            Name,
            part => new Address(number, part),
            exchange
        );
        foreach (var gone in Router.Everyone.Except(next.Everyone))
            parts.Remove(gone.Part);
        Router = next;
    }

    public void Forget(ActorId part) => parts.Remove(part);

    /// <summary>Lets go of everything.</summary>
    public void ForgetAll()
    {
        parts.Clear();
        Router = Core.Protocol.Router.Nowhere<Address>();
    }

    public void Die()
    {
        ForgetAll();
        IsAlive = false;
    }
}

/// <summary>A coordinator and where it stands.</summary>
internal sealed class Leader(int number, SimulatedSilo silo, CoordinatorActor state)
{
    public int Number => number;

    public SimulatedSilo Silo => silo;

    public CoordinatorActor State => state;

    public bool IsAlive { get; set; } = true;

    public bool IsActive => IsAlive && !state.Status.IsOver() && state.Status != RunStatus.HandedOver;

    /// <summary>The version that it has committed, as it was looked at last.</summary>
    public int Version { get; set; }

    /// <summary>How often parts were moved, as of its newest Restore.</summary>
    public int Moves { get; set; }

    /// <summary>Where its messages go: its newest Restore's.</summary>
    public Router<Address> Router { get; set; } = Core.Protocol.Router.Nowhere<Address>();
}
