using System.Collections.Immutable;

namespace BackpropCluster.Core.Protocol;

/// <summary>The silos that may hold parts, and those of them that want to leave.</summary>
internal sealed class Roster(ImmutableArray<string> silos)
{
    private readonly HashSet<string> leaving = [];

    /// <summary>The members, the coordinator's own first.</summary>
    public ImmutableArray<string> Silos { get; private set; } = silos;

    /// <summary>Those that are to hold parts. Where all leave, the last step boundary is theirs still.</summary>
    public ImmutableArray<string> Staying => Silos.Any(s => !leaving.Contains(s)) ? [.. Silos.Where(s => !leaving.Contains(s))] : Silos;

    public void Set(ImmutableArray<string> members)
    {
        Silos = members;
        leaving.IntersectWith(members);
    }

    /// <summary>Enters that a silo wants to leave; false if that was known.</summary>
    public bool Leave(string silo) => leaving.Add(silo);

    public bool IsLeaving(string silo) => leaving.Contains(silo);

    /// <summary>Whether a silo that holds a part is no member any more.</summary>
    public bool HasLost(Placement placement) => placement.SiloOfPart.Any(s => !Silos.Contains(placement.Silos[s]));

    /// <summary>Whether a member is not in the placement that would stay.</summary>
    public bool HasNew(Placement placement) => Silos.Except(placement.Silos).Except(leaving).Any();
}
