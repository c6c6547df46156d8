using System.Collections.Immutable;

namespace BackpropCluster.Core.Protocol;

/// <summary>Some consecutive units of one layer, held by one grain.</summary>
/// <param name="Layer">1, 2, …</param>
/// <param name="Index">Position among the layer's shards, from 0: where its array stands in every sum.</param>
/// <param name="First">Its first unit, from 0.</param>
/// <param name="Units">How many units.</param>
[GenerateSerializer, Immutable, Alias("slice-range")]
public readonly record struct ShardRange(
    [property: Id(0)] int Layer,
    [property: Id(1)] int Index,
    [property: Id(2)] int First,
    [property: Id(3)] int Units
)
{
    public int Last => First + Units - 1;
}

/// <summary>A run with everything that its parts must agree on. Goes to each of them with Restore.</summary>
/// <remarks>Parts are numbered Source, the shards of layer 1, of layer 2, …, Loss: their ordinals.</remarks>
[GenerateSerializer, Immutable, Alias("run-plan")]
public sealed record RunPlan
{
    // Follows from the rest. One reference, because all parts of a silo share the plan and several may come here first
    // at once; with what it was made from, because a copy of the plan with another granularity takes it along.
    [NonSerialized]
    private ShardTable? table;

    /// <summary>The run's id, unique in its cluster.</summary>
    [Id(0)]
    public required string Run { get; init; }

    /// <summary>Hash of id and run file; in every key. A message of another one is refused.</summary>
    [Id(1)]
    public required ulong Fingerprint { get; init; }

    [Id(2)]
    public required RunSpec Spec { get; init; }

    [Id(3)]
    public required Granularity Granularity { get; init; }

    [Id(4)]
    public required int Features { get; init; }

    [Id(5)]
    public required int TrainingRows { get; init; }

    [Id(6)]
    public required int TestRows { get; init; }

    [Id(7)]
    public required bool HasClasses { get; init; }

    [Id(8)]
    public CheckpointRule Checkpoints { get; init; } = CheckpointRule.None;

    [Id(9)]
    public PlacementRule Placement { get; init; }

    /// <summary>SHA-256 over the data's files as they lie; empty for built-in data. A silo whose files differ takes no
    /// part.</summary>
    [Id(10)]
    public string DataSha256 { get; init; } = "";

    /// <summary>Of the program that made the plan. Another version may add up in another way, so its silos take no
    /// part.</summary>
    [Id(11)]
    public string Version { get; init; } = "";

    /// <summary>How long the run may go without a new step, once it has begun to recover or no silo can hold its parts,
    /// before it is given up.</summary>
    [Id(12)]
    public TimeSpan GiveUpAfter { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>What is told of which steps; decides no bit, so it is not in the spec.</summary>
    [Id(13)]
    public TraceSpec Trace { get; init; } = TraceSpec.None;

    public int Depth => Spec.Model.Layers.Length;

    /// <summary>The shards of layer 1, 2, … in order of their units.</summary>
    public ImmutableArray<ShardRange> ShardsOf(int layer) => Shards[layer - 1];

    /// <summary>Units of each shard of a layer; one array for all that ask, not to be written to.</summary>
    public int[] ShardUnits(int layer) => Table.Units[layer - 1];

    /// <summary>Every part but the coordinator, by ordinal.</summary>
    public IEnumerable<ActorId> Actors =>
        Shards
            .SelectMany(layer => layer.Select(s => ActorId.Shard(s.Layer, s.Index)))
            .Prepend(ActorId.Source)
            .Append(ActorId.Loss);

    public int ShardCount => Shards.Sum(layer => layer.Length);

    public int ActorCount => ShardCount + 2;

    /// <summary>Where a part stands in <see cref="Actors"/>, or −1 if the plan has no such part.</summary>
    public int OrdinalOf(ActorId part)
    {
        switch (part.Kind)
        {
            case ActorRole.Source:
                return 0;
            case ActorRole.Loss:
                return ActorCount - 1;
            case ActorRole.Shard
                when part.Layer >= 1
                    && part.Layer <= Depth
                    && part.Index >= 0
                    && part.Index < ShardsOf(part.Layer).Length:
                var ordinal = 1 + part.Index;
                for (var layer = 1; layer < part.Layer; layer++)
                    ordinal += ShardsOf(layer).Length;
                return ordinal;
            default:
                return -1;
        }
    }

    /// <summary>Units of the array that a part sends.</summary>
    public int UnitsOf(ActorId part) =>
        part.Kind switch
        {
            ActorRole.Source => Features,
            ActorRole.Loss => Spec.Model.Layers[^1].Units,
            _ => ShardsOf(part.Layer)[part.Index].Units,
        };

    /// <summary>Multiply-adds of a part for one row, forward and backward: what placement balances.</summary>
    public long MultiplyAddsOf(ActorId part)
    {
        switch (part.Kind)
        {
            case ActorRole.Source:
                return 0;
            case ActorRole.Loss:
                return Spec.Model.Layers[^1].Units;
            default:
                // z and ∂W over the inputs; S and ∂V over the units above.
                var above = part.Layer == Depth ? 0 : Spec.Model.Layers[part.Layer].Units;
                return 2L
                    * ShardsOf(part.Layer)[part.Index].Units
                    * (Spec.Model.InputsOf(part.Layer, Features) + above);
        }
    }

    /// <summary>Logical messages of one step: one sender's array or word to one receiver.</summary>
    public long MessagesPerStep
    {
        get
        {
            long arrays = ShardsOf(1).Length + 2L * ShardsOf(Depth).Length;
            for (var layer = 1; layer < Depth; layer++)
                arrays += 2L * ShardsOf(layer).Length * ShardsOf(layer + 1).Length;
            return arrays * Spec.Data.Microbatches + ActorCount + ShardCount + 1;
        }
    }

    private ImmutableArray<ImmutableArray<ShardRange>> Shards => Table.Shards;

    private ShardTable Table
    {
        get
        {
            var known = table;
            if (known is null || known.Granularity != Granularity || !ReferenceEquals(known.Model, Spec.Model))
            {
                ImmutableArray<ImmutableArray<ShardRange>> shards =
                [
                    .. Enumerable.Range(1, Depth).Select(layer => Cut(layer, Spec.Model.Layers[layer - 1].Units)),
                ];
                table = known = new(
                    shards,
                    [.. shards.Select(layer => layer.Select(s => s.Units).ToArray())],
                    Granularity,
                    Spec.Model
                );
            }

            return known;
        }
    }

    private ImmutableArray<ShardRange> Cut(int layer, int units)
    {
        var size = Math.Min(Granularity.Units, units);
        return
        [
            .. Enumerable
                .Range(0, (units + size - 1) / size)
                .Select(index => new ShardRange(layer, index, index * size, Math.Min(size, units - index * size))),
        ];
    }

    private sealed record ShardTable(
        ImmutableArray<ImmutableArray<ShardRange>> Shards,
        int[][] Units,
        Granularity Granularity,
        ModelSpec Model
    );
}
