using System.Collections.Immutable;

namespace BackpropCluster.Core.Protocol;

/// <summary>The parts of a checkpoint that is being written, as far as the store has answered.</summary>
internal sealed class SavedShards(RunPlan plan)
{
    private readonly AckTracker shards = new(Enumerable.Range(1, plan.ShardCount));
    private readonly SavedShard[] parts = new SavedShard[plan.ShardCount];

    public bool AreComplete => shards.IsComplete;

    /// <summary>SHA-256 of each part, by the shard's ordinal among the shards.</summary>
    public ImmutableArray<string> Digests => [.. parts.Select(p => p.Sha256)];

    /// <summary>Begins a new checkpoint: nothing is written yet.</summary>
    public void Begin() => shards.Reset();

    /// <summary>Enters what was written; false if all of it was known.</summary>
    public bool Enter(Saved saved)
    {
        var news = false;
        foreach (var part in saved.Parts)
        {
            var ordinal = plan.OrdinalOf(part.Shard);
            if (!shards.Acknowledge(ordinal))
                continue;
            parts[ordinal - 1] = part;
            news = true;
        }

        return news;
    }

    /// <summary>The first layer whose weights differ from what the layer below holds of them; 0 if none does.</summary>
    public int PartedLayer()
    {
        var ends = parts.GroupBy(s => s.Shard.Layer).ToDictionary(g => g.Key, g => g.ToArray());
        for (var layer = 2; layer <= plan.Depth; layer++)
            if (
                ends[layer].Aggregate(0UL, (sum, s) => sum + s.WeightsSum)
                != ends[layer - 1].Aggregate(0UL, (sum, s) => sum + s.OutgoingSum)
            )
                return layer;
        return 0;
    }
}
