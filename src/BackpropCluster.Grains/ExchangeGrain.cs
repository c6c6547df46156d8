using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;

namespace BackpropCluster.Grains;

[OnSilo, KeepAlive, Reentrant]
internal sealed class ExchangeGrain(Exchanges shells) : YieldingGrain, IExchangeGrain
{
    private string Run => ActorKeys.RunOf(this.GetPrimaryKeyString());

    public void Take(Message message) => shells.Of(Run).Receive(message);

    public ValueTask<Traffic> Traffic() => new(shells.Of(Run).Traffic);

    public void Release()
    {
        shells.Release(Run);
        DeactivateOnIdle();
    }
}
