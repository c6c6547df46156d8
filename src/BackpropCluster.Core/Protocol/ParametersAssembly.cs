using System.Collections.Immutable;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Protocol;

/// <summary>Puts the shards' parameters together and compares the two ends of every weight.</summary>
public static class ParametersAssembly
{
    /// <param name="plan">The run.</param>
    /// <param name="read">The parameters of one shard.</param>
    /// <exception cref="DivergenceException">The two ends of a layer's weights differ.</exception>
    public static ImmutableArray<LayerParameters> Assemble(RunPlan plan, Func<ShardRange, ShardParameters> read)
    {
        var layers = ImmutableArray.CreateBuilder<LayerParameters>(plan.Depth);
        ulong outgoingBelow = 0;
        for (var layer = 1; layer <= plan.Depth; layer++)
        {
            ShardParameters[] shards = [.. plan.ShardsOf(layer).Select(read)];
            var sum = shards.Aggregate(0UL, (s, p) => s + p.WeightsSum);
            if (layer > 1 && sum != outgoingBelow)
                throw new DivergenceException(
                    $"the two ends of the weights between layers {layer - 1} and {layer} differ"
                );
            outgoingBelow = shards.Aggregate(0UL, (s, p) => s + p.OutgoingSum);
            layers.Add(
                new LayerParameters(
                    [.. shards.SelectMany(p => p.Weights.Values)],
                    [.. shards.SelectMany(p => p.Biases.Values)]
                )
            );
        }

        return layers.MoveToImmutable();
    }

    /// <summary>The whole model of a checkpoint.</summary>
    /// <param name="plan">The run, cut as it was when it was saved.</param>
    /// <param name="read">The part of one shard.</param>
    /// <exception cref="DivergenceException">The two ends of a layer's weights differ.</exception>
    public static SavedModel Model(RunPlan plan, Func<ShardRange, ShardSnapshot> read)
    {
        var parts = Enumerable
            .Range(1, plan.Depth)
            .Select(layer => plan.ShardsOf(layer).Select(read).ToArray())
            .ToArray();
        var parameters = Assemble(plan, shard => parts[shard.Layer - 1][shard.Index].Parameters);
        return new SavedModel([
            .. parameters.Select(
                (layer, l) =>
                    new SavedLayer(
                        layer.Weights,
                        layer.Biases,
                        [.. parts[l].SelectMany(p => p.WeightsState.Values)],
                        [.. parts[l].SelectMany(p => p.BiasesState.Values)]
                    )
            ),
        ]);
    }
}

/// <summary>Something that must be equal was not; no number of the run can be trusted.</summary>
public sealed class DivergenceException(string fact) : Exception(fact);
