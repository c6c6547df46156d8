using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;

namespace BackpropCluster.Grains;

[OnSilo, KeepAlive, Reentrant]
internal sealed class LossGrain : YieldingGrain, ILossGrain
{
    private readonly PartShell shell;

    public LossGrain(PartShells shells) => shell = shells.Create(new LossState(shells.Data.Open), this.GetPrimaryKeyString());

    public void Restore(Restore message) => shell.Take(message);

    public void Advance(Advance message) => shell.Take(message);

    public void Release() => DeactivateOnIdle();

    public void Forward(Activations message) => shell.Take(message);
}
