using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;

namespace BackpropCluster.Grains;

[OnSilo, KeepAlive, Reentrant]
internal sealed class SourceGrain : YieldingGrain, ISourceGrain
{
    private readonly ActorHost shell;

    public SourceGrain(ActorHostFactory shells) => shell = shells.Create(new SourceActor(), this.GetPrimaryKeyString());

    public void Restore(Restore message) => shell.Receive(message);

    public void Advance(Advance message) => shell.Receive(message);

    public void Release() => DeactivateOnIdle();

    public void Evaluate(Evaluate message) => shell.Receive(message);
}
