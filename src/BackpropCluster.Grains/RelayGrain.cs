using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;

namespace BackpropCluster.Grains;

[OnSilo, KeepAlive, Reentrant]
internal sealed class RelayGrain(RelayShells shells) : YieldingGrain, IRelayGrain
{
    private string Run => PartKeys.RunOf(this.GetPrimaryKeyString());

    public void Take(Message message) => shells.Of(Run).Take(message);

    public ValueTask<Traffic> Traffic() => new(shells.Of(Run).Traffic);

    public void Release()
    {
        shells.Release(Run);
        DeactivateOnIdle();
    }
}
