using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;

namespace BackpropCluster.Grains;

/// <summary>Delivers what a state machine says: one-way calls to cached references, counted as logical messages.</summary>
internal sealed class GrainOutbox(IGrainFactory grains, string run, Traffic traffic, ITrainingObserver observer, StoreShell store) : IOutbox
{
    private readonly ICoordinatorGrain coordinator = grains.GetGrain<ICoordinatorGrain>(run);
    private readonly ISourceGrain source = grains.GetGrain<ISourceGrain>(PartKeys.Source(run));
    private readonly ILossGrain loss = grains.GetGrain<ILossGrain>(PartKeys.Loss(run));
    private Routes? routes;

    private Routes Known => routes ?? throw new InvariantViolationException($"a part of {run} sends before its first Restore");

    /// <summary>Learns who stands where; from the Restore that every part gets first.</summary>
    public void Route(Routes to) => routes = to;

    public void Send(Recipients to, Message message)
    {
        switch (to.Kind)
        {
            case RecipientKind.Layer:
                ToLayer(to.Layer, message);
                break;
            case RecipientKind.Loss:
                Count(Known.LossIsLocal, message);
                ToLoss(message);
                break;
            case RecipientKind.Source:
                Count(Known.SourceIsLocal, message);
                ToSource(message);
                break;
            case RecipientKind.Coordinator:
                // What the store answers is not said by a part.
                if (message is not (Led or Saved or HeadMoved or StoreFailed)) Count(routes?.CoordinatorIsLocal ?? true, message);
                ToCoordinator(message);
                break;
            case RecipientKind.Store:
                store.Take(message is Lead lead ? lead.Plan : Known.Plan, message, this);
                break;
            default:
                Send(Recipients.Source, message);
                for (var layer = 1; layer <= Known.Layers.Length; layer++) ToLayer(layer, message);
                Send(Recipients.Loss, message);
                break;
        }
    }

    public void Observe(Observation observation) => observer.Observe(observation);

    private void ToLayer(int layer, Message message)
    {
        var slices = Known.Layers[layer - 1];
        var remote = Known.RemoteOfLayer[layer - 1];
        traffic.Add(slices.Length - remote, remote, PayloadBytes(message));
        switch (message)
        {
            case Activations activations:
                foreach (var slice in slices) slice.Forward(activations);
                break;
            case Deltas deltas:
                foreach (var slice in slices) slice.Backward(deltas);
                break;
            case Advance advance:
                foreach (var slice in slices) slice.Advance(advance);
                break;
            case Save save:
                foreach (var slice in slices) slice.Save(save);
                break;
            default:
                throw Unexpected(message);
        }
    }

    private void ToSource(Message message)
    {
        if (message is Advance advance) source.Advance(advance);
        else if (message is Evaluate evaluate) source.Evaluate(evaluate);
        else throw Unexpected(message);
    }

    private void ToLoss(Message message)
    {
        if (message is Activations activations) loss.Forward(activations);
        else if (message is Advance advance) loss.Advance(advance);
        else throw Unexpected(message);
    }

    private void ToCoordinator(Message message)
    {
        switch (message)
        {
            case Ready ready: coordinator.Ready(ready); break;
            case Report report: coordinator.Report(report); break;
            case Restored restored: coordinator.Restored(restored); break;
            case NeedRestore need: coordinator.NeedRestore(need); break;
            case Failure failure: coordinator.Failed(failure); break;
            case Led or Saved or HeadMoved or StoreFailed: coordinator.Stored(message); break;
            default: throw Unexpected(message);
        }
    }

    private void Count(bool isLocal, Message message) => traffic.Add(isLocal ? 1 : 0, isLocal ? 0 : 1, PayloadBytes(message));

    private static long PayloadBytes(Message message) => message switch
    {
        Activations activations => activations.Values.Bytes,
        Deltas deltas => deltas.Values.Bytes,
        _ => 0,
    };

    private static InvariantViolationException Unexpected(Message message) => new($"no part takes {message.GetType().Name} here");
}
