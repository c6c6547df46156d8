using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Grains;

/// <summary>Delivers what a coordinator says: to the exchange of each silo, which knows the parts there, and to the
/// store.</summary>
internal sealed class CoordinatorOutbox(
    IGrainFactory grains,
    RunPlan plan,
    string silo,
    Exchanges shells,
    LocalCoordinators here,
    StoreShell store,
    RunTelemetry telemetry
) : IOutbox
{
    private Placement placement = new([], [], "");
    private IExchangeGrain?[] exchanges = []; // none where no part stands

    public void Send(Recipients to, Message message)
    {
        if (message is Restore restore)
            Route(restore.Placement);
        var tracer = telemetry.Tracer;
        if (message is Advance { Key.Trace.IsSampled: true } advance)
            message = advance with { Key = advance.Key with { Trace = tracer.Begin(advance.Key) } };

        var isTraced = message is Advance && plan.Spec.Trace.Orleans;
        using var below = isTraced ? OrleansSpans.Below(tracer.RootOf(message.Key.Step)) : default;
        switch (to.Kind)
        {
            case RecipientKind.Store:
                store.Take(plan, message, this);
                break;
            case RecipientKind.Coordinator:
                here.Deliver(plan.Run, message);
                break;
            case RecipientKind.Source:
                for (var other = 0; other < exchanges.Length; other++)
                    if (placement.HasSource(plan, other))
                        ToExchange(other, message);
                break;
            default:
                for (var other = 0; other < exchanges.Length; other++)
                    ToExchange(other, message);
                break;
        }
    }

    /// <summary>Lets every silo go that holds something of the run.</summary>
    public void Release() => Route(new Placement([], [], ""));

    public void Observe(Observation observation) => telemetry.OnObservation((RunObservation)observation);

    private void Route(Placement to)
    {
        foreach (var (other, exchange) in placement.Silos.Zip(exchanges))
            if (!to.Uses(other))
                exchange?.Release();
        (placement, exchanges) = (
            to,
            [
                .. to.Silos.Select(other =>
                    to.Uses(other) ? grains.GetGrain<IExchangeGrain>(ActorKeys.Exchange(plan.Run, other)) : null
                ),
            ]
        );
    }

    // An exchange without parts would be waited for by nobody, so it could fall behind what is committed, ask for
    // Restore and stop all others. The own silo's exchange is at hand: a message to it would only wait for a thread.
    private void ToExchange(int other, Message message)
    {
        if (exchanges[other] is not { } exchange)
            return;
        if (placement.Silos[other] == silo)
            shells.Of(plan.Run).Receive(message);
        else
            exchange.Take(message);
    }
}
