using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;

namespace BackpropCluster.Grains;

[OnSilo, KeepAlive, Reentrant]
internal sealed class LossGrain : YieldingGrain, ILossGrain
{
    private readonly ActorHost shell;

    public LossGrain(ActorHostFactory shells) => shell = shells.Create(new LossActor(), this.GetPrimaryKeyString());

    public void Restore(Restore message) => shell.Receive(message);

    public void Advance(Advance message) => shell.Receive(message);

    public void Release() => DeactivateOnIdle();

    public void Forward(Activations message) => shell.Receive(message);
}
