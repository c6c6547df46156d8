using System.Collections.Immutable;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.ClusterTests.Contracts;

/// <summary>What is saved where nothing was trained.</summary>
internal static class MadeUp
{
    public static ImmutableArray<string> Leaving { get; } = ["silo-7"];

    public static ImmutableArray<BatchMetrics> Losses(int version) =>
        [.. Enumerable.Range(1, version).Select(step => new BatchMetrics(1.0 / step, step % 5, 4))];

    public static ImmutableArray<EvaluationMetrics> Evaluations(int version) =>
        [
            .. Enumerable
                .Range(1, version)
                .Select(v => new EvaluationMetrics(v, new BatchMetrics(v == 6 ? 0.1 : 0.5, null, 4))),
        ];

    /// <summary>A model in which no two numbers are equal; another salt is another model.</summary>
    public static SavedModel Model(RunPlan plan, int version, int salt = 0)
    {
        var (count, size) = (0, plan.Spec.Optimizer.StateSize);
        return new SavedModel([
            .. plan.Spec.Model.Layers.Select(
                (layer, l) =>
                {
                    var weights = layer.Units * plan.Spec.Model.InputsOf(l + 1, plan.Features);
                    return new SavedLayer(
                        Numbers(weights),
                        Numbers(layer.Units),
                        Numbers(weights * size),
                        Numbers(layer.Units * size)
                    );
                }
            ),
        ]);

        double[] Numbers(int length) =>
            [.. Enumerable.Range(0, length).Select(_ => version + ++count / 1024.0 + salt / 4096.0)];
    }

    /// <summary>What a shard saves of it. The two copies of a layer's weights have one sum, however the layer and
    /// the one below are cut.</summary>
    public static ShardSnapshot Part(RunPlan plan, ShardRange shard, int version, int salt)
    {
        var (layer, size) = (Model(plan, version, salt).Layers[shard.Layer - 1], plan.Spec.Optimizer.StateSize);
        var inputs = plan.Spec.Model.InputsOf(shard.Layer, plan.Features);
        var above = shard.Layer < plan.Depth ? plan.Spec.Model.Layers[shard.Layer].Units : 0;
        var unit = (ulong)(version + 1000 * salt);
        return new ShardSnapshot(
            new ShardParameters(
                Own(layer.Weights, inputs),
                Own(layer.Biases, 1),
                unit * (ulong)(shard.Units * inputs),
                unit * (ulong)(shard.Units * above)
            ),
            Own(layer.WeightsState, inputs * size),
            Own(layer.BiasesState, size)
        );

        Payload Own(double[] all, int each) =>
            new(shard.Units, each, all[(shard.First * each)..((shard.First + shard.Units) * each)]);
    }
}
