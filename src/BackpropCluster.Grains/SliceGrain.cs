using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;

namespace BackpropCluster.Grains;

// Reentrant: handlers never await, so each is one turn and nothing can interleave inside it; without the attribute the runtime
// would search its queue for what may overtake a running call. KeepAlive: an idle slice must not be collected with its weights.
[OnSilo, KeepAlive, Reentrant]
internal sealed class SliceGrain : YieldingGrain, ISliceGrain
{
    private readonly PartShell shell;

    public SliceGrain(PartShells shells)
    {
        var key = this.GetPrimaryKeyString();
        shell = shells.Create(new SliceState(PartKeys.SliceOf(key), shells.OpenCheckpoint, PoolWorkers.Shared), key);
    }

    public void Restore(Restore message) => shell.Take(message);

    public void Advance(Advance message) => shell.Take(message);

    public void Release() => DeactivateOnIdle();

    public void Forward(Activations message) => shell.Take(message);

    public void Backward(Deltas message) => shell.Take(message);

    public void Save(Save message) => shell.Take(message);

    public ValueTask<SliceParameters?> Read(MessageKey key, int first, int units) => new(((SliceState)shell.State).Read(key, first, units, shell.Outbox));
}
