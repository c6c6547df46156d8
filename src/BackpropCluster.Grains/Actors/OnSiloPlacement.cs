using Orleans.Placement;
using Orleans.Runtime;
using Orleans.Runtime.Placement;

namespace BackpropCluster.Grains.Actors;

/// <summary>Puts a grain onto the silo that its key names (<see cref="ActorKeys"/>), and nowhere else.</summary>
/// <remarks>So an actor that moves is another grain: the old one cannot answer for the new, nothing has to migrate, and
/// no directory needs to know twenty thousand neurons. A key that names a silo which is gone cannot be called; the
/// recovery makes new keys.</remarks>
[Serializable, GenerateSerializer, Immutable, Alias("on-silo")]
public sealed class OnSiloPlacement : PlacementStrategy
{
    public override bool IsUsingGrainDirectory => false;
}

[AttributeUsage(AttributeTargets.Class)]
internal sealed class OnSiloAttribute() : PlacementAttribute(new OnSiloPlacement());

internal sealed class OnSiloDirector : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(
        PlacementStrategy strategy,
        PlacementTarget target,
        IPlacementContext context
    )
    {
        var silo = SiloAddress.FromParsableString(ActorKeys.SiloOf(target.GrainIdentity.Key.ToString()!));
        return context.GetCompatibleSilos(target).Contains(silo)
            ? Task.FromResult(silo)
            : throw new OrleansException($"{target.GrainIdentity} belongs to a silo that is no member any more");
    }
}
