using System.Collections.Immutable;

namespace BackpropCluster.Core.Protocol;

/// <summary>How parts are laid on silos. Cannot change a result.</summary>
public enum PlacementRule : byte
{
    /// <summary>About as many multiply-adds on each silo.</summary>
    Spread,

    /// <summary>Everything on one silo, the coordinator's if it may hold parts: nothing crosses.</summary>
    Pack,

    /// <summary>Stages: neighbouring layers together, about as many multiply-adds in each stage.</summary>
    ByLayer,

    /// <summary>The same share of every layer's units on each silo.</summary>
    ByShard,
}

/// <summary>Which silo holds which part: a pure function of the plan and the members.</summary>
/// <param name="Silos">Names; the coordinator's own silo first, if it may hold parts.</param>
/// <param name="SiloOfPart">For each part of the plan, by ordinal, an index into <paramref name="Silos"/>.</param>
/// <param name="CoordinatorSilo">The coordinator's own silo, whether it may hold parts or not.</param>
[GenerateSerializer, Immutable, Alias("placement")]
public sealed record Placement(
    [property: Id(0)] ImmutableArray<string> Silos,
    [property: Id(1)] ImmutableArray<int> SiloOfPart,
    [property: Id(2)] string CoordinatorSilo
)
{
    /// <summary>Lays the parts by the plan's rule.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="silos">The members.</param>
    /// <param name="before">Where parts stand now: with <see cref="PlacementRule.Spread"/> one whose silo is still a
    /// member stays there.</param>
    /// <param name="coordinator">The coordinator's silo; the first one where none is given.</param>
    public static Placement Of(
        RunPlan plan,
        ImmutableArray<string> silos,
        Placement? before = null,
        string? coordinator = null
    )
    {
        var chosen = plan.Placement switch
        {
            PlacementRule.Pack => new int[plan.ActorCount],
            PlacementRule.ByLayer => ByLayer(plan, silos.Length),
            PlacementRule.ByShard => ByShard(plan, silos.Length),
            _ => Spread(plan, silos, before),
        };
        chosen[plan.OrdinalOf(ActorId.Source)] = chosen[plan.OrdinalOf(ActorId.Shard(1, 0))];
        return new Placement(silos, [.. chosen], coordinator ?? silos[0]);
    }

    public string SiloOf(int ordinal) => Silos[SiloOfPart[ordinal]];

    /// <summary>Whether any part stands on a silo.</summary>
    public bool Uses(string silo) => Silos.IndexOf(silo) is >= 0 and var index && SiloOfPart.Contains(index);

    /// <summary>The silos that hold an actor of some kind, in order.</summary>
    public IEnumerable<int> SilosThatHold(RunPlan plan, Func<ActorId, bool> isMeant) =>
        plan.Actors.Index().Where(a => isMeant(a.Item)).Select(a => SiloOfPart[a.Index]).Distinct().Order();

    /// <summary>Whether rows are wanted on a silo: each one that holds units of layer 1 has a Source of its own, since
    /// all have the data and which rows a step takes is known everywhere. Rows would else be most of what
    /// crosses.</summary>
    public bool HasSource(RunPlan plan, int silo) =>
        plan.ShardsOf(1).Any(s => SiloOfPart[plan.OrdinalOf(ActorId.Shard(1, s.Index))] == silo);

    /// <summary>Whether a silo must be able to read the data: it has rows to send, or targets to compare
    /// with.</summary>
    public bool NeedsRows(RunPlan plan, int silo) => ActorsOn(plan, silo).Any(part => part.Kind != ActorRole.Shard);

    /// <summary>The parts on one silo.</summary>
    public IEnumerable<ActorId> ActorsOn(RunPlan plan, int silo)
    {
        var shardsAndLoss = plan.Actors.Where(
            (part, ordinal) => part.Kind != ActorRole.Source && SiloOfPart[ordinal] == silo
        );
        return HasSource(plan, silo) ? shardsAndLoss.Prepend(ActorId.Source) : shardsAndLoss;
    }

    /// <summary>Bytes of arrays that cross between silos in one step of so many rows: each array once to each other
    /// silo that holds a receiver. Rows do not cross.</summary>
    public long BytesThatCross(RunPlan plan, int rows)
    {
        ActorId[] parts = [.. plan.Actors];
        var silosOf = Enumerable
            .Range(0, plan.Depth + 2)
            .Select(layer =>
                parts.Where(p => LayerOf(p, plan) == layer).Select(p => SiloOfPart[plan.OrdinalOf(p)]).ToHashSet()
            )
            .ToArray();
        var bytes = 0L;
        foreach (var (ordinal, part) in parts.Index())
        {
            var (layer, silo) = (LayerOf(part, plan), SiloOfPart[ordinal]);
            long array = plan.UnitsOf(part) * (long)rows * sizeof(double);
            if (layer == 0)
                continue;
            if (layer <= plan.Depth)
                bytes += array * silosOf[layer + 1].Count(s => s != silo);
            if (layer >= 2)
                bytes += array * silosOf[layer - 1].Count(s => s != silo);
        }

        return bytes;
    }

    // Largest part first, each to the silo with the least so far, the earlier silo among equals.
    private static int[] Spread(RunPlan plan, ImmutableArray<string> silos, Placement? before)
    {
        ActorId[] parts = [.. plan.Actors];
        var load = new long[silos.Length];
        var chosen = new int[parts.Length];
        for (var p = 0; p < parts.Length; p++)
        {
            chosen[p] = before is null ? -1 : silos.IndexOf(before.SiloOf(p));
            if (chosen[p] >= 0)
                load[chosen[p]] += plan.MultiplyAddsOf(parts[p]);
        }

        foreach (
            var p in Enumerable
                .Range(0, parts.Length)
                .Where(p => chosen[p] < 0)
                .OrderByDescending(p => plan.MultiplyAddsOf(parts[p]))
                .ThenBy(p => p)
        )
        {
            chosen[p] = Array.IndexOf(load, load.Min());
            load[chosen[p]] += plan.MultiplyAddsOf(parts[p]);
        }

        return chosen;
    }

    // A stage ends where the multiply-adds so far are nearest to its share of all of them.
    private static int[] ByLayer(RunPlan plan, int silos)
    {
        long[] work =
        [
            .. Enumerable
                .Range(1, plan.Depth)
                .Select(layer => plan.ShardsOf(layer).Sum(s => plan.MultiplyAddsOf(ActorId.Shard(layer, s.Index)))),
        ];
        var (total, below) = (work.Sum(), 0L);
        var stageOfLayer = new int[plan.Depth + 2];
        for (var layer = 1; layer <= plan.Depth; layer++)
        {
            stageOfLayer[layer] = (int)Math.Min(silos - 1, (below + work[layer - 1] / 2) * silos / total);
            below += work[layer - 1];
        }

        (stageOfLayer[0], stageOfLayer[^1]) = (stageOfLayer[1], stageOfLayer[plan.Depth]);
        return [.. plan.Actors.Select(p => stageOfLayer[LayerOf(p, plan)])];
    }

    private static int[] ByShard(RunPlan plan, int silos) =>
        [
            .. plan.Actors.Select(p =>
                p.Kind == ActorRole.Shard ? (int)((long)p.Index * silos / plan.ShardsOf(p.Layer).Length) : 0
            ),
        ];

    private static int LayerOf(ActorId part, RunPlan plan) =>
        part.Kind switch
        {
            ActorRole.Source => 0,
            ActorRole.Loss => plan.Depth + 1,
            _ => part.Layer,
        };
}
