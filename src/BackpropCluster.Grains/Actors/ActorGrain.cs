using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;

namespace BackpropCluster.Grains.Actors;

/// <summary>The grain of an actor: hands each message to its machine.</summary>
/// <remarks>Its classes are reentrant: handlers never await, so each is one turn and nothing can interleave inside it;
/// without the attribute the runtime would search its queue for what may overtake a running call. They are kept alive:
/// an idle shard must not be collected with its weights.</remarks>
internal abstract class ActorGrain : YieldingGrain, IActorGrain
{
    protected ActorGrain(ActorHostFactory hosts, Func<string, Actor> create)
    {
        var key = this.GetPrimaryKeyString();
        Host = hosts.Create(create(key), key);
    }

    protected ActorHost Host { get; }

    public void Forward(Activations message) => Host.Receive(message);

    public void Backward(Deltas message) => Host.Receive(message);

    public void Control(Message message) => Host.Receive(message);

    public void Release() => DeactivateOnIdle();

    public ValueTask<ShardParameters?> Read(MessageKey key, int first, int units) =>
        new((Host.State as ShardActor)?.Read(key, first, units, Host.Outbox));
}

[OnSilo, KeepAlive, Reentrant, GrainType(ActorKeys.SourceType)]
internal sealed class SourceGrain(ActorHostFactory hosts) : ActorGrain(hosts, _ => new SourceActor());

[OnSilo, KeepAlive, Reentrant, GrainType(ActorKeys.ShardType)]
internal sealed class ShardGrain(ActorHostFactory hosts)
    : ActorGrain(hosts, key => new ShardActor(ActorKeys.ShardOf(key), PoolWorkers.Shared));

[OnSilo, KeepAlive, Reentrant, GrainType(ActorKeys.LossType)]
internal sealed class LossGrain(ActorHostFactory hosts) : ActorGrain(hosts, _ => new LossActor());
