using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;

namespace BackpropCluster.Grains;

// Reentrant: handlers never await, so each is one turn and nothing can interleave inside it; without the attribute the
// runtime would search its queue for what may overtake a running call. KeepAlive: an idle shard must not be collected
// with its weights.
[OnSilo, KeepAlive, Reentrant]
internal sealed class ShardGrain : YieldingGrain, IShardGrain
{
    private readonly ActorHost shell;

    public ShardGrain(ActorHostFactory shells)
    {
        var key = this.GetPrimaryKeyString();
        shell = shells.Create(new ShardActor(ActorKeys.ShardOf(key), PoolWorkers.Shared), key);
    }

    public void Restore(Restore message) => shell.Receive(message);

    public void Advance(Advance message) => shell.Receive(message);

    public void Release() => DeactivateOnIdle();

    public void Forward(Activations message) => shell.Receive(message);

    public void Backward(Deltas message) => shell.Receive(message);

    public void Save(Save message) => shell.Receive(message);

    public ValueTask<ShardParameters?> Read(MessageKey key, int first, int units) =>
        new(((ShardActor)shell.State).Read(key, first, units, shell.Outbox));
}
