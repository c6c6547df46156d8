using System.Collections.Immutable;

namespace BackpropCluster.Core.Protocol;

/// <summary>The parts of a checkpoint that is being written, as far as the store has answered.</summary>
internal sealed class SavedParts(RunPlan plan)
{
    private readonly RollCall slices = new(plan, plan.Parts.Where(p => p.Kind == PartKind.Slice));
    private readonly SavedPart[] parts = new SavedPart[plan.SliceCount];

    public bool AreComplete => slices.IsComplete;

    /// <summary>SHA-256 of each part, by the slice's ordinal among the slices.</summary>
    public ImmutableArray<string> Digests => [.. parts.Select(p => p.Sha256)];

    /// <summary>Begins a new checkpoint: nothing is written yet.</summary>
    public void Begin() => slices.Repeat();

    /// <summary>Enters what was written; false if all of it was known.</summary>
    public bool Enter(Saved saved)
    {
        var news = false;
        foreach (var part in saved.Parts)
        {
            if (!slices.TickOff(part.Slice)) continue;
            parts[plan.OrdinalOf(part.Slice) - 1] = part;
            news = true;
        }

        return news;
    }

    /// <summary>The first layer whose weights differ from what the layer below holds of them; 0 if none does.</summary>
    public int PartedLayer()
    {
        var ends = parts.GroupBy(s => s.Slice.Layer).ToDictionary(g => g.Key, g => g.ToArray());
        for (var layer = 2; layer <= plan.Depth; layer++)
            if (ends[layer].Aggregate(0UL, (sum, s) => sum + s.WeightsSum) != ends[layer - 1].Aggregate(0UL, (sum, s) => sum + s.OutgoingSum))
                return layer;
        return 0;
    }
}
