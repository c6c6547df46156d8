using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;

namespace BackpropCluster.Grains;

/// <summary>What every part of a run takes. Only the exchange of its own silo speaks to it.</summary>
/// <remarks>The key's last field is its silo (<see cref="ActorKeys"/>). A part stores, enqueues and returns: none
/// awaits another, so no circle of calls can stall. Messages may be lost, repeated or reordered; equal keys are one
/// message.</remarks>
[Alias("backprop.part")]
public interface IActorGrain : IGrainWithStringKey
{
    [OneWay, Alias("Restore")]
    void Restore(Restore message);

    [OneWay, Alias("Advance")]
    void Advance(Advance message);

    /// <summary>The part stands elsewhere now, or its run is over: what it holds may go.</summary>
    [OneWay, Alias("Release")]
    void Release();
}

/// <summary>Sends rows.</summary>
/// <remarks>Key <c>{run}/source/{silo}</c>.</remarks>
[Alias("backprop.source")]
public interface ISourceGrain : IActorGrain
{
    /// <summary>Asks for a chunk of evaluation rows.</summary>
    [OneWay, Alias("Evaluate")]
    void Evaluate(Evaluate message);
}

/// <summary>Some consecutive units of one dense layer: one (a neuron), some (a shard), all (a layer).</summary>
/// <remarks>Key <c>{run}/layer-{l}/units-{first}-{last}/{index}/{silo}</c>, index being the shard's position in its
/// layer.</remarks>
[Alias("backprop.slice")]
public interface IShardGrain : IActorGrain
{
    /// <summary>Takes y of all units of the layer below; computes and sends its own.</summary>
    [OneWay, Alias("Forward")]
    void Forward(Activations message);

    /// <summary>Takes δ of all units of the layer above; computes and sends its own, and its gradients are
    /// in.</summary>
    [OneWay, Alias("Backward")]
    void Backward(Deltas message);

    /// <summary>Puts the committed version into the store.</summary>
    [OneWay, Alias("Save")]
    void Save(Save message);

    /// <summary>The parameters of some units at a committed version. The only call that is answered; never during a
    /// step.</summary>
    /// <param name="key">The version.</param>
    /// <param name="first">The first unit, counted within the shard from 0.</param>
    /// <param name="units">How many units.</param>
    /// <returns><see langword="null"/> if the shard does not have that version; it has asked for Restore
    /// then.</returns>
    [Alias("Read")]
    ValueTask<ShardParameters?> Read(MessageKey key, int first, int units);
}

/// <summary>Compares outputs with targets.</summary>
/// <remarks>Key <c>{run}/loss/{silo}</c>.</remarks>
[Alias("backprop.loss")]
public interface ILossGrain : IActorGrain
{
    /// <summary>Takes y of all units of the last layer.</summary>
    [OneWay, Alias("Forward")]
    void Forward(Activations message);
}

/// <summary>Where a silo takes what comes from others for a run: bundles of arrays, and the coordinator's
/// words.</summary>
/// <remarks>Key <c>{run}/exchange/{silo}</c>. The parts of its silo do not call it: they share its state
/// (<see cref="ExchangeHost"/>).</remarks>
[Alias("backprop.relay")]
public interface IExchangeGrain : IGrainWithStringKey
{
    [OneWay, Alias("Take")]
    void Take(Message message);

    /// <summary>What crossed and what stayed, since the run began on this silo.</summary>
    [Alias("Traffic")]
    ValueTask<Traffic> Traffic();

    /// <summary>The run is over, or another silo has its parts: what this silo holds of it may go.</summary>
    [OneWay, Alias("Release")]
    void Release();
}
