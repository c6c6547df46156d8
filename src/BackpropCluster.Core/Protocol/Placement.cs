using System.Collections.Immutable;

namespace BackpropCluster.Core.Protocol;

/// <summary>Which silo holds which part.</summary>
/// <param name="Silos">Names; the coordinator's own silo first.</param>
/// <param name="SiloOfPart">For each part of the plan, by ordinal, an index into <paramref name="Silos"/>.</param>
[GenerateSerializer, Immutable, Alias("placement")]
public sealed record Placement([property: Id(0)] ImmutableArray<string> Silos, [property: Id(1)] ImmutableArray<int> SiloOfPart)
{
    /// <summary>Spreads the parts so that each silo has about as many multiply-adds as the next.</summary>
    /// <remarks>Largest part first, each to the silo with the least so far, the earlier silo among equals: a pure function of plan
    /// and membership. A part that already stands on a silo of the list stays there: nothing in Orleans would move it.</remarks>
    public static Placement Spread(RunPlan plan, ImmutableArray<string> silos, Placement? before = null)
    {
        PartId[] parts = [.. plan.Parts];
        var load = new long[silos.Length];
        var chosen = new int[parts.Length];
        for (var p = 0; p < parts.Length; p++)
        {
            chosen[p] = before is null ? -1 : silos.IndexOf(before.Silos[before.SiloOfPart[p]]);
            if (chosen[p] >= 0) load[chosen[p]] += plan.MultiplyAddsOf(parts[p]);
        }

        foreach (var p in Enumerable.Range(0, parts.Length).Where(p => chosen[p] < 0).OrderByDescending(p => plan.MultiplyAddsOf(parts[p])).ThenBy(p => p))
        {
            chosen[p] = Array.IndexOf(load, load.Min());
            load[chosen[p]] += plan.MultiplyAddsOf(parts[p]);
        }

        return new Placement(silos, [.. chosen]);
    }

    /// <summary>The coordinator's own silo: a coordinator lists it first.</summary>
    public string CoordinatorSilo => Silos[0];

    public string SiloOf(int ordinal) => Silos[SiloOfPart[ordinal]];
}
