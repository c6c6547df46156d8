using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Grains;

/// <summary>Delivers what a relay says: one-way calls to the parts of its silo, to the relays of others, and to the coordinator.</summary>
/// <remarks>Not thread-safe: used under its relay's lock.</remarks>
internal sealed class RelayOutbox(IGrainFactory grains, string run, string silo, SiloTracer tracer) : IOutbox
{
    private readonly ICoordinatorGrain coordinator = grains.GetGrain<ICoordinatorGrain>(run);
    private Dictionary<PartId, IPartGrain> parts = [];
    private ISliceGrain[][] layers = [];
    private ISourceGrain? source;
    private ILossGrain? loss;
    private IRelayGrain[] relays = [];

    /// <summary>The run, known from the first Restore on.</summary>
    public RunPlan? Plan { get; private set; }

    /// <summary>Learns who stands where in a new term. What stood here and does not any more is let go.</summary>
    public void Route(Restore restore)
    {
        var (plan, placement, before) = (restore.Plan, restore.Placement, parts);
        parts = placement.PartsOn(plan, placement.Silos.IndexOf(silo)).ToDictionary(part => part, part => GrainOf(plan, part));
        // A part of the same number may be cut otherwise than before, and is another grain then.
        foreach (var (part, grain) in before)
            if (!grain.Equals(parts.GetValueOrDefault(part))) grain.Release();
        Plan = plan;
        layers = [.. Enumerable.Range(1, plan.Depth).Select(layer => parts.Where(p => p.Key.Kind == PartKind.Slice && p.Key.Layer == layer).Select(p => (ISliceGrain)p.Value).ToArray())];
        source = parts.GetValueOrDefault(PartId.Source) as ISourceGrain;
        loss = parts.GetValueOrDefault(PartId.Loss) as ILossGrain;
        relays = [.. placement.Silos.Select(other => grains.GetGrain<IRelayGrain>(PartKeys.Relay(run, other)))];
    }

    /// <summary>Lets all parts go.</summary>
    public void Release()
    {
        foreach (var grain in parts.Values) grain.Release();
        (parts, layers, source, loss) = ([], [], null, null);
    }

    public void Send(Recipients to, Message message)
    {
        switch (to.Kind)
        {
            case RecipientKind.Layer:
                foreach (var slice in layers[to.Number - 1]) Hand(slice, message);
                break;
            case RecipientKind.Loss:
                loss?.Forward((Activations)message);
                break;
            case RecipientKind.Source:
                source?.Evaluate((Evaluate)message);
                break;
            case RecipientKind.Relay:
                relays[to.Number].Take(message);
                break;
            case RecipientKind.Coordinator:
                coordinator.Take(message);
                break;
            default:
                foreach (var part in parts.Values) Hand(part, message);
                break;
        }
    }

    public void Observe(Observation observation) => tracer.Hear(observation, 0);

    private static void Hand(IPartGrain part, Message message)
    {
        switch (message)
        {
            case Restore restore: part.Restore(restore); break;
            case Advance advance: part.Advance(advance); break;
            case Save save: (part as ISliceGrain)?.Save(save); break;
            case Activations activations: ((ISliceGrain)part).Forward(activations); break;
            case Deltas deltas: ((ISliceGrain)part).Backward(deltas); break;
            default: throw new InvariantViolationException($"no part takes {message.GetType().Name} here");
        }
    }

    private IPartGrain GrainOf(RunPlan plan, PartId part) => part.Kind switch
    {
        PartKind.Source => grains.GetGrain<ISourceGrain>(PartKeys.Source(run, silo)),
        PartKind.Loss => grains.GetGrain<ILossGrain>(PartKeys.Loss(run, silo)),
        _ => grains.GetGrain<ISliceGrain>(PartKeys.Slice(run, plan.SlicesOf(part.Layer)[part.Index], silo)),
    };
}
