using System.Collections.Immutable;

namespace BackpropCluster.Core.Protocol;

/// <summary>The silos that may hold parts, and those that want to leave.</summary>
/// <param name="own">The coordinator's own silo. It need not be one of those that may hold parts: it may lack the
/// data.</param>
/// <param name="eligible">Members that can take part; the own one first, if it can.</param>
internal sealed class Membership(string own, ImmutableArray<string> eligible)
{
    // A name is a silo's from its start to its end and never another one's, so who wants to leave wants so for good.
    private readonly HashSet<string> leaving = [];

    /// <summary>The coordinator's own silo.</summary>
    public string Own => own;

    /// <summary>Members that can take part.</summary>
    public ImmutableArray<string> Silos { get; private set; } = eligible;

    /// <summary>What keeps other members from taking part, one sentence each.</summary>
    public ImmutableArray<string> Objections { get; private set; } = [];

    /// <summary>Those that are to hold parts. Where all leave, the last step boundary is theirs still.</summary>
    public ImmutableArray<string> Staying =>
        Silos.Any(s => !leaving.Contains(s)) ? [.. Silos.Where(s => !leaving.Contains(s))] : Silos;

    public void Set(ImmutableArray<string> members, ImmutableArray<string> objections) =>
        (Silos, Objections) = (members, objections);

    /// <summary>A silo has said that it cannot take part; until the next list says otherwise.</summary>
    public void Refuse(string silo, string objection) =>
        (Silos, Objections) = (Silos.Remove(silo), Objections.Add(objection));

    /// <summary>Enters that a silo wants to leave; false if that was known.</summary>
    public bool Leave(string silo) => leaving.Add(silo);

    /// <summary>Members that want to leave.</summary>
    public ImmutableArray<string> Leaving => [.. Silos.Where(leaving.Contains)];

    public bool IsLeaving(string silo) => leaving.Contains(silo);

    /// <summary>The silos that hold parts and can take part no more.</summary>
    public ImmutableArray<string> LostOf(Placement placement) =>
        [.. placement.Silos.Where(silo => placement.Uses(silo) && !Silos.Contains(silo))];

    /// <summary>Whether a member is not in the placement that would stay.</summary>
    public bool HasNew(Placement placement) => Silos.Except(placement.Silos).Except(leaving).Any();
}
