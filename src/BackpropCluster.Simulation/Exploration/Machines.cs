using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation.Exploration;

/// <summary>What is explored: the product's own parts, or others that a test puts in their place.</summary>
/// <param name="Create">Makes a part without state.</param>
/// <param name="Store">Makes an empty store that keeps so many of the newest checkpoints; 0 keeps all.</param>
public sealed record Machines(Func<ActorId, Actor> Create, Func<int, MemoryStore> Store)
{
    public static Machines Product { get; } = new(DeterministicSimulator.Product, keep => new MemoryStore(keep));
}
