using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Grains;

/// <summary>Delivers what an exchange says: one-way calls to the parts of its silo, to the exchanges of others, and to
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
    private Dictionary<ActorId, IActorGrain> parts = [];
    private IShardGrain[][] layers = [];
    private ISourceGrain? source;
    private ILossGrain? loss;
    private IExchangeGrain[] exchanges = [];
    private bool leadsHere;
    private ISiloGrain? leading; // the silo whose coordinator restored this exchange

    /// <summary>The run, known from the first Restore on.</summary>
    public RunPlan? Plan { get; private set; }

    /// <summary>Learns who stands where in a new term. What stood here and does not any more is let go.</summary>
    public void Route(Restore restore)
    {
        var (plan, placement, before) = (restore.Plan, restore.Placement, parts);
        parts = placement
            .ActorsOn(plan, placement.Silos.IndexOf(silo))
            .ToDictionary(part => part, part => GrainOf(plan, part));
        // A part of the same number may be cut otherwise than before, and is another grain then.
        foreach (var (part, grain) in before)
            if (!grain.Equals(parts.GetValueOrDefault(part)))
                grain.Release();
        Plan = plan;
        layers =
        [
            .. Enumerable
                .Range(1, plan.Depth)
                .Select(layer =>
                    parts
                        .Where(p => p.Key.Kind == ActorRole.Shard && p.Key.Layer == layer)
                        .Select(p => (IShardGrain)p.Value)
                        .ToArray()
                ),
        ];
        source = parts.GetValueOrDefault(ActorId.Source) as ISourceGrain;
        loss = parts.GetValueOrDefault(ActorId.Loss) as ILossGrain;
        leading = grains.GetGrain<ISiloGrain>(ActorKeys.Silo(placement.CoordinatorSilo));
        leadsHere = placement.CoordinatorSilo == silo;
        exchanges =
        [
            .. placement.Silos.Select(other => grains.GetGrain<IExchangeGrain>(ActorKeys.Exchange(run, other))),
        ];
    }

    /// <summary>Lets all parts go.</summary>
    public void Release()
    {
        foreach (var grain in parts.Values)
            grain.Release();
        (parts, layers, source, loss) = ([], [], null, null);
    }

    public void Send(Recipients to, Message message)
    {
        switch (to.Kind)
        {
            case RecipientKind.Layer:
                foreach (var shard in layers[to.Number - 1])
                    Hand(shard, message);
                break;
            case RecipientKind.Loss:
                loss?.Forward((Activations)message);
                break;
            case RecipientKind.Source:
                source?.Evaluate((Evaluate)message);
                break;
            case RecipientKind.Exchange:
                exchanges[to.Number].Take(message);
                break;
            case RecipientKind.Coordinator:
                ToCoordinator(message);
                break;
            default:
                foreach (var part in parts.Values)
                    Hand(part, message);
                break;
        }
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

    private static void Hand(IActorGrain part, Message message)
    {
        switch (message)
        {
            case Restore restore:
                part.Restore(restore);
                break;
            case Advance advance:
                part.Advance(advance);
                break;
            case Save save:
                (part as IShardGrain)?.Save(save);
                break;
            case Activations activations:
                ((IShardGrain)part).Forward(activations);
                break;
            case Deltas deltas:
                ((IShardGrain)part).Backward(deltas);
                break;
            default:
                throw new InvariantViolationException($"no part takes {message.GetType().Name} here");
        }
    }

    private IActorGrain GrainOf(RunPlan plan, ActorId part) =>
        part.Kind switch
        {
            ActorRole.Source => grains.GetGrain<ISourceGrain>(ActorKeys.Source(run, silo)),
            ActorRole.Loss => grains.GetGrain<ILossGrain>(ActorKeys.Loss(run, silo)),
            _ => grains.GetGrain<IShardGrain>(ActorKeys.Slice(run, plan.ShardsOf(part.Layer)[part.Index], silo)),
        };
}
