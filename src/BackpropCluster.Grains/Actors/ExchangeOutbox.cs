using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Silos;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Grains.Actors;

/// <summary>Delivers what an exchange says: one-way calls to the actors of its silo, to the exchanges of others, and to
/// the coordinator.</summary>
/// <remarks>Not thread-safe: used under its exchange's lock.</remarks>
internal sealed class ExchangeOutbox(
    IGrainFactory grains,
    string run,
    string silo,
    LocalCoordinators here,
    SiloTracer tracer,
    Action<Restore, bool> load
) : IOutbox
{
    private readonly ICoordinatorGrain coordinator = grains.GetGrain<ICoordinatorGrain>(run);
    private Router<IActorGrain> router = Router.Nowhere<IActorGrain>();
    private bool leadsHere;
    private ISiloGrain? leading; // the silo whose coordinator restored this exchange

    /// <summary>The run, known from the first Restore on.</summary>
    public RunPlan? Plan { get; private set; }

    /// <summary>Learns who stands where in a new term. What stood here and does not any more is let go.</summary>
    public void Route(Restore restore)
    {
        var (plan, placement) = (restore.Plan, restore.Placement);
        var next = Router.OfExchange(
            plan,
            placement,
            silo,
            actor => grains.ActorOn(plan, actor, silo),
            other => grains.ExchangeOn(run, other)
        );
        // An actor of the same number may be cut otherwise than before, and is another grain then.
        foreach (var gone in router.Everyone.Except(next.Everyone))
            gone.Release();
        (Plan, router) = (plan, next);
        leading = grains.GetGrain<ISiloGrain>(ActorKeys.Silo(placement.CoordinatorSilo));
        leadsHere = placement.CoordinatorSilo == silo;
    }

    /// <summary>Lets all actors go.</summary>
    public void Release()
    {
        foreach (var actor in router.Everyone)
            actor.Release();
        router = Router.Nowhere<IActorGrain>();
    }

    public void Send(Recipients to, Message message)
    {
        if (to.Kind == RecipientKind.Coordinator)
            ToCoordinator(message);
        else
            foreach (var actor in router.ReceiversOf(to))
                actor.Take(message);
    }

    public void Load(Restore restore, bool rows) => load(restore, rows);

    public void Observe(Observation observation) => tracer.OnObservation(observation, 0);

    // What answers a Restore is for the coordinator that sent it. What asks for one is for whoever leads now, and that
    // is found by the directory: this exchange may have missed that another one does.
    private void ToCoordinator(Message message)
    {
        if (message is NeedRestore or Failure || leading is null)
            coordinator.Take(message);
        else if (leadsHere)
            here.Deliver(run, message);
        else
            leading.ToCoordinator(run, message);
    }
}
