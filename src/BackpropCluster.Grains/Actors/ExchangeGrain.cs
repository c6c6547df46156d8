using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;

namespace BackpropCluster.Grains.Actors;

/// <summary>Where a silo takes what comes from others for a run: bundles of arrays, and the coordinator's
/// words.</summary>
[OnSilo, KeepAlive, Reentrant, GrainType(ActorKeys.ExchangeType)]
internal sealed class ExchangeGrain(Exchanges exchanges) : YieldingGrain, IActorGrain
{
    private string Run => ActorKeys.RunOf(this.GetPrimaryKeyString());

    public void Forward(Activations message) => exchanges.Of(Run).Receive(message);

    public void Backward(Deltas message) => exchanges.Of(Run).Receive(message);

    public void Control(Message message) => exchanges.Of(Run).Receive(message);

    public void Release()
    {
        exchanges.Release(Run);
        DeactivateOnIdle();
    }

    public ValueTask<ShardParameters?> Read(MessageKey key, int first, int units) => new((ShardParameters?)null);
}
