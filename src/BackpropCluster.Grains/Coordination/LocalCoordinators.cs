using System.Collections.Concurrent;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;

namespace BackpropCluster.Grains.Coordination;

/// <summary>The coordinators that lead a run on this silo, for whoever has a message for one that should lead
/// here.</summary>
/// <remarks>Who was restored by a coordinator knows its silo from the placement, so what it answers needs no directory,
/// part of which moves whenever a silo comes or leaves (docs/decisions/0024).</remarks>
/// <param name="grains">By which another coordinator is found, where none leads here.</param>
internal sealed class LocalCoordinators(IGrainFactory grains)
{
    private readonly ConcurrentDictionary<string, Action<Message>> receivers = new();

    /// <summary>A coordinator begins to lead here.</summary>
    /// <param name="run">Its run.</param>
    /// <param name="receive">Hands it a message; returns at once, on any thread.</param>
    public void Enter(string run, Action<Message> receive) => receivers[run] = receive;

    /// <summary>It leads no more. Another one of the same run that has begun here meanwhile stays.</summary>
    public void Remove(string run, Action<Message> receive) => receivers.TryRemove(KeyValuePair.Create(run, receive));

    /// <summary>Hands a message to the coordinator that leads a run here; to whoever leads it, if that is
    /// another.</summary>
    public void Deliver(string run, Message message)
    {
        if (receivers.TryGetValue(run, out var receive))
            receive(message);
        else
            grains.GetGrain<ICoordinatorGrain>(run).Take(message);
    }
}
