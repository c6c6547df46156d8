using BackpropCluster.Core.Data;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation.Exploration;

/// <summary>What is explored: the product's own parts, or others that a test puts in their place.</summary>
/// <param name="Parts">Makes the factory of a run's parts from its rows and its store.</param>
/// <param name="Store">Makes an empty store that keeps so many of the newest checkpoints; 0 keeps all.</param>
public sealed record Machines(Func<Dataset, MemoryStore, Func<ActorId, Actor>> Parts, Func<int, MemoryStore> Store)
{
    public static Machines Product { get; } =
        new((data, store) => DeterministicSimulator.Actors(_ => data, store), keep => new MemoryStore(keep));
}
