using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;

namespace BackpropCluster.Grains;

/// <summary>Where a silo takes what comes from others for a run: bundles of arrays, and the coordinator's
/// words.</summary>
[OnSilo, KeepAlive, Reentrant, GrainType(ActorKeys.ExchangeType)]
internal sealed class ExchangeGrain(Exchanges shells) : YieldingGrain, IActorGrain
{
    private string Run => ActorKeys.RunOf(this.GetPrimaryKeyString());

    public void Forward(Activations message) => shells.Of(Run).Receive(message);

    public void Backward(Deltas message) => shells.Of(Run).Receive(message);

    public void Control(Message message) => shells.Of(Run).Receive(message);

    public void Release()
    {
        shells.Release(Run);
        DeactivateOnIdle();
    }

    public ValueTask<ShardParameters?> Read(MessageKey key, int first, int units) => new((ShardParameters?)null);
}
