using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>What of a trace is rolled up so that it keeps to <c>trace.max_spans</c>: the same answer on every silo,
/// since it follows from the plan.</summary>
public sealed class RollUp
{
    // The root and its four phases; and at the step's boundaries a recovery, a move, an evaluation and a checkpoint.
    private const int Parents = 9;

    // Forward, backward, update.
    private const int Phases = 3;

    private readonly HashSet<int> layers = [];
    private readonly bool mergesMicrobatches;

    /// <summary>Rolls up the layers with the most shards until a trace keeps to its bound; if that is not enough,
    /// microbatches too.</summary>
    public RollUp(RunPlan plan)
    {
        var perShard = (2 * plan.Spec.Data.Microbatches) + 1;
        foreach (var layer in Enumerable.Range(1, plan.Depth).OrderByDescending(l => plan.ShardsOf(l).Length))
        {
            if (Spans() <= plan.Trace.MaxSpans)
                return;
            layers.Add(layer);
        }

        mergesMicrobatches = Spans() > plan.Trace.MaxSpans;

        long Spans() =>
            Parents
            + Enumerable.Range(1, plan.Depth).Sum(l => perShard * (layers.Contains(l) ? 1L : plan.ShardsOf(l).Length));
    }

    /// <summary>Spans of a trace with everything rolled up: no bound can be lower.</summary>
    public static int Fewest(int depth) => Parents + (Phases * depth);

    /// <summary>Whether a layer has one span for all of its shards.</summary>
    public bool Has(int layer) => layers.Contains(layer);

    /// <summary>What one shard of such a layer adds to its roll-up.</summary>
    public ShardSpan Of(ShardSpan span) => mergesMicrobatches ? span with { Microbatch = 0 } : span;
}
