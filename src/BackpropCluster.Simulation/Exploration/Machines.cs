using BackpropCluster.Core.Data;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation.Exploration;

/// <summary>What is explored: the product's own parts, or others that a test puts in their place.</summary>
/// <param name="Parts">Makes the factory of a run's parts from its rows and its store.</param>
/// <param name="Store">Makes an empty store.</param>
public sealed record Machines(Func<Dataset, MemoryStore, Func<PartId, PartState>> Parts, Func<MemoryStore> Store)
{
    public static Machines Product { get; } = new((data, store) => SeededCarrier.Parts(_ => data, store), () => new MemoryStore());
}
