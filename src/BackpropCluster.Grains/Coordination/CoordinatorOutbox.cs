using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Grains.Coordination;

/// <summary>Delivers what a coordinator says: to the exchange of each silo, which knows the actors there, and to the
/// store.</summary>
internal sealed class CoordinatorOutbox(
    IGrainFactory grains,
    RunPlan plan,
    string silo,
    Exchanges exchanges,
    LocalCoordinators here,
    StoreClient store,
    RunTelemetry telemetry
) : IOutbox
{
    private readonly IActorGrain own = grains.ExchangeOn(plan.Run, silo);
    private Router<IActorGrain> router = Router.Nowhere<IActorGrain>();

    public void Send(Recipients to, Message message)
    {
        if (message is Restore restore)
            Route(Router.OfCoordinator(plan, restore.Placement, other => grains.ExchangeOn(plan.Run, other)));
        var tracer = telemetry.Tracer;
        if (message is Advance { Key.Trace.IsSampled: true } advance)
            message = advance with { Key = advance.Key with { Trace = tracer.Begin(advance.Key) } };

        var isTraced = message is Advance && plan.Trace.Orleans;
        using var below = isTraced ? OrleansSpans.Below(tracer.RootOf(message.Key.Step)) : default;
        switch (to.Kind)
        {
            case RecipientKind.Store:
                store.Take(plan, message, this);
                break;
            case RecipientKind.Coordinator:
                here.Deliver(plan.Run, message);
                break;
            default:
                foreach (var exchange in router.ReceiversOf(to))
                    ToExchange(exchange, message);
                break;
        }
    }

    /// <summary>Lets every silo go that holds something of the run.</summary>
    public void Release() => Route(Router.Nowhere<IActorGrain>());

    public void Observe(Observation observation) => telemetry.OnObservation((RunObservation)observation);

    private void Route(Router<IActorGrain> next)
    {
        foreach (var gone in router.Everyone.Except(next.Everyone))
            gone.Release();
        router = next;
    }

    // The own silo's exchange is at hand: a message to it would only wait for a thread.
    private void ToExchange(IActorGrain exchange, Message message)
    {
        if (exchange.Equals(own))
            exchanges.Of(plan.Run).Receive(message);
        else
            exchange.Take(message);
    }
}
