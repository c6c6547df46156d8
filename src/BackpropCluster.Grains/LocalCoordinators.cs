using System.Collections.Concurrent;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Grains;

/// <summary>The coordinators that lead a run on this silo, for whoever has a message for one and knows that it leads here.</summary>
/// <remarks>A message to a grain is addressed by the cluster's directory, part of which moves whenever a silo comes or leaves. One-way
/// messages that were addressed at such a moment did not arrive, and a run stood still until its step's deadline. Who was restored
/// by a coordinator knows its silo from the placement, so what it answers needs no directory.</remarks>
internal sealed class LocalCoordinators
{
    private readonly ConcurrentDictionary<string, Action<Message>> receivers = new();

    /// <summary>A coordinator begins to lead here.</summary>
    /// <param name="run">Its run.</param>
    /// <param name="receive">Hands it a message; returns at once, on any thread.</param>
    public void Enter(string run, Action<Message> receive) => receivers[run] = receive;

    /// <summary>It leads no more. Another one of the same run that has begun here meanwhile stays.</summary>
    public void Remove(string run, Action<Message> receive) => receivers.TryRemove(KeyValuePair.Create(run, receive));

    /// <summary>Hands a message to the coordinator of a run; false if none leads it here.</summary>
    public bool TryDeliver(string run, Message message)
    {
        if (!receivers.TryGetValue(run, out var receive)) return false;
        receive(message);
        return true;
    }
}
