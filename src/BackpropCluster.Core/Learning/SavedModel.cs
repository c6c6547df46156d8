using System.Collections.Immutable;

namespace BackpropCluster.Core.Learning;

/// <summary>A layer of a checkpoint, whatever its parts were.</summary>
/// <param name="Weights">W: units × inputs, row-major.</param>
/// <param name="Biases">One per unit.</param>
/// <param name="WeightsState">Optimizer state, <see cref="OptimizerSpec.StateSize"/> numbers for each weight.</param>
/// <param name="BiasesState">The same for each bias.</param>
public sealed record SavedLayer(double[] Weights, double[] Biases, double[] WeightsState, double[] BiasesState);

/// <summary>The whole model of a checkpoint, from which a shard of any cut takes its rows and columns.</summary>
public sealed record SavedModel(ImmutableArray<SavedLayer> Layers)
{
    public IEnumerable<LayerParameters> Parameters =>
        Layers.Select(layer => new LayerParameters(layer.Weights, layer.Biases));
}
