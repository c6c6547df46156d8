using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;

namespace BackpropCluster.Grains;

[OnSilo, KeepAlive, Reentrant]
internal sealed class SourceGrain : YieldingGrain, ISourceGrain
{
    private readonly PartShell shell;

    public SourceGrain(PartShells shells) => shell = shells.Create(new SourceState(shells.Data.Open), this.GetPrimaryKeyString());

    public void Restore(Restore message) => shell.Take(message);

    public void Advance(Advance message) => shell.Take(message);

    public void Release() => DeactivateOnIdle();

    public void Evaluate(Evaluate message) => shell.Take(message);
}
