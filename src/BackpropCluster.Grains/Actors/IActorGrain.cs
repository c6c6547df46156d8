using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;

namespace BackpropCluster.Grains.Actors;

/// <summary>What every actor of a run takes but its coordinator: Source, shard, Loss, and the exchange of a
/// silo.</summary>
/// <remarks>Only the exchange of its own silo speaks to an actor; exchanges of other silos and the coordinator speak to
/// an exchange, whose own silo's actors share its state (<see cref="ExchangeHost"/>). The key's last field is its silo
/// (<see cref="ActorKeys"/>). An actor stores, enqueues and returns: none awaits another, so no circle of calls can
/// stall. Messages may be lost, repeated or reordered; equal keys are one message.</remarks>
[Alias("backprop.actor")]
public interface IActorGrain : IGrainWithStringKey
{
    /// <summary>Takes y of all units of the layer below, or of those that stand together.</summary>
    [OneWay, Alias("Forward")]
    void Forward(Activations message);

    /// <summary>Takes δ of all units of the layer above, or of those that stand together.</summary>
    [OneWay, Alias("Backward")]
    void Backward(Deltas message);

    /// <summary>Takes what carries no array: Restore, Advance, Evaluate, Save, and what answers them.</summary>
    [OneWay, Alias("Control")]
    void Control(Message message);

    /// <summary>The actor stands elsewhere now, or its run is over: what it holds may go.</summary>
    [OneWay, Alias("Release")]
    void Release();

    /// <summary>The parameters of some of a shard's units at a committed version. The only call that is answered; never
    /// during a step.</summary>
    /// <param name="key">The version.</param>
    /// <param name="first">The first unit, counted within the shard from 0.</param>
    /// <param name="units">How many units.</param>
    /// <returns><see langword="null"/> if it does not have that version, and has asked for Restore then; or if it is no
    /// shard.</returns>
    [Alias("Read")]
    ValueTask<ShardParameters?> Read(MessageKey key, int first, int units);
}
