using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>What spans are called and what they tell: a trace is to be read like the tutorial.</summary>
internal static class SpanNames
{
    public static string Of(StepPhase phase) =>
        phase switch
        {
            StepPhase.Forward => "forward",
            StepPhase.Loss => "compute loss",
            StepPhase.Backward => "backward",
            _ => "apply update",
        };

    /// <summary>"forward h1" of a neuron, "forward layer 1" of a layer, "forward layer 1 units 0-31" of some
    /// units.</summary>
    public static string Of(RunPlan plan, ShardSpan span)
    {
        var verb = span.Phase switch
        {
            StepPhase.Forward => "forward",
            StepPhase.Backward => "backward",
            _ => "update",
        };
        var (layer, shards) = (span.Actor.Layer, plan.ShardsOf(span.Actor.Layer));
        if (span.Count > shards.Length)
            return $"{verb} layer {layer} ({shards.Length} shards in {plan.Spec.Data.Microbatches} microbatches)";
        if (span.Count > 1)
            return $"{verb} layer {layer} ({span.Count} shards)";
        if (plan.Granularity == Granularity.Neuron)
            return $"{verb} {Neuron(plan, layer, span.FirstUnit)}";
        return shards.Length == 1 ? $"{verb} layer {layer}" : $"{verb} layer {layer} units {Units(span)}";
    }

    /// <summary>A sender, as it is called in span names.</summary>
    public static string Of(RunPlan plan, ActorId actor) =>
        actor.Kind switch
        {
            ActorRole.Shard when plan.Granularity == Granularity.Neuron => Neuron(plan, actor.Layer, actor.Index),
            ActorRole.Shard => actor.ToString(),
            ActorRole.Exchange => $"silo {actor.Index + 1} of the placement",
            _ => actor.ToString(),
        };

    /// <summary>h1, h2 of the only hidden layer, as the tutorial says; h2.1 where there are several; o1, o2 of the
    /// last.</summary>
    public static string Neuron(RunPlan plan, int layer, int unit) =>
        layer == plan.Depth ? $"o{unit + 1}"
        : plan.Depth == 2 ? $"h{unit + 1}"
        : $"h{layer}.{unit + 1}";

    public static IEnumerable<TraceAttribute> Attributes(RunPlan plan, ShardSpan span, string silo)
    {
        var layer = span.Actor.Layer;
        yield return TraceAttribute.Of(TraceWords.Layer, layer);
        yield return TraceAttribute.Of(TraceWords.Silo, silo);
        if (span.Count > 1)
        {
            yield return TraceAttribute.Of("backprop.rolled_up.count", span.Count);
            yield return TraceAttribute.Of("backprop.rolled_up.min_ns", span.Shortest);
            yield return TraceAttribute.Of("backprop.rolled_up.max_ns", span.Longest);
            yield break;
        }

        yield return TraceAttribute.Of("backprop.units", Units(span));
        if (span.Phase == StepPhase.Update)
            yield break;
        var (senders, values) =
            span.Phase == StepPhase.Forward
                ? (layer == 1 ? 1 : plan.ShardsOf(layer - 1).Length, plan.Spec.Model.InputsOf(layer, plan.Features))
                : (
                    layer == plan.Depth ? 1 : plan.ShardsOf(layer + 1).Length,
                    layer == plan.Depth ? plan.UnitsOf(ActorId.Loss) : plan.Spec.Model.Layers[layer].Units
                );
        yield return TraceAttribute.Of("backprop.rows", span.Rows);
        yield return TraceAttribute.Of("backprop.messages", senders);
        yield return TraceAttribute.Of(TraceWords.Bytes, (long)values * span.Rows * sizeof(double));
        if (!span.Net.IsEmpty)
            yield return Numbers("backprop.net", span.Net);
        if (!span.Output.IsEmpty)
            yield return Numbers("backprop.output", span.Output);
        if (!span.Delta.IsEmpty)
            yield return Numbers("backprop.delta", span.Delta);
    }

    private static string Units(ShardSpan span) => $"{span.FirstUnit}-{span.FirstUnit + span.Units - 1}";

    private static TraceAttribute Numbers(string key, IReadOnlyList<double> numbers) =>
        numbers.Count == 1
            ? TraceAttribute.Of(key, numbers[0])
            : new TraceAttribute(key, TraceValue.Of([.. numbers.Select(TraceValue.Of)]));
}
