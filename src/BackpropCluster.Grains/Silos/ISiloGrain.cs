using System.Collections.Immutable;
using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;

namespace BackpropCluster.Grains.Silos;

/// <summary>One silo, as others see it.</summary>
/// <remarks>Key <c>silo/{silo}</c>.</remarks>
[Alias("backprop.silo")]
public interface ISiloGrain : IGrainWithStringKey
{
    /// <summary>Whether the silo can take part in a run.</summary>
    /// <returns>What is in the way, in one sentence; <see langword="null"/> if nothing is.</returns>
    [Alias("Check")]
    ValueTask<string?> Check(RunPlan plan);

    /// <summary>Hands a message to the coordinator that leads a run on this silo; to whoever leads it, if that is
    /// another.</summary>
    [OneWay, Alias("ToCoordinator")]
    void ToCoordinator(string run, Message message);

    /// <summary>What a run's actors there have said and heard, since the run began on this silo.</summary>
    [Alias("Traffic")]
    ValueTask<Traffic> Traffic(string run);

    /// <summary>What the silo is doing.</summary>
    [Alias("Describe")]
    ValueTask<SiloDescription> Describe();
}

/// <summary>What a silo says of itself.</summary>
/// <param name="Name">As its user named it.</param>
/// <param name="Silo">As placements name it.</param>
/// <param name="Version">Of its program.</param>
/// <param name="Actors">How many actors of each run stand there.</param>
/// <param name="MemoryBytes">Of its process.</param>
/// <param name="HeldBytes">Of the managed heap, as the last collection left it, without the gaps.</param>
[GenerateSerializer, Immutable, Alias("silo-description")]
public sealed record SiloDescription(
    [property: Id(0)] string Name,
    [property: Id(1)] string Silo,
    [property: Id(2)] string Version,
    [property: Id(3)] ImmutableDictionary<string, int> Actors,
    [property: Id(4)] long MemoryBytes,
    [property: Id(5)] long HeldBytes
);
