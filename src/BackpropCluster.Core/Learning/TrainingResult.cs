using System.Collections.Immutable;

namespace BackpropCluster.Core.Learning;

/// <summary>Mean loss over some rows, and how many of them were right.</summary>
/// <param name="Loss">Mean over the rows.</param>
/// <param name="Correct">Rows whose class was named; <see langword="null"/> where rows have no class.</param>
/// <param name="Rows">How many rows.</param>
[GenerateSerializer, Immutable, Alias("score")]
public readonly record struct BatchMetrics(
    [property: Id(0)] double Loss,
    [property: Id(1)] int? Correct,
    [property: Id(2)] int Rows
)
{
    public double? Accuracy => (double?)Correct / Rows;
}

/// <summary>The parameters of one layer.</summary>
/// <param name="Weights">W: units × inputs, row-major.</param>
/// <param name="Biases">b.</param>
public sealed record LayerParameters(double[] Weights, double[] Biases);

/// <summary>What a run ends with. Equal for every trainer, cut, placement and disturbance.</summary>
/// <param name="Parameters">Of each layer, in order.</param>
/// <param name="Steps">The score of each step's batch before its update; step s stands at s − 1.</param>
/// <param name="Evaluations">What the evaluation passes found, each with the version it read.</param>
public sealed record TrainingResult(
    ImmutableArray<LayerParameters> Parameters,
    ImmutableArray<BatchMetrics> Steps,
    ImmutableArray<EvaluationMetrics> Evaluations
)
{
    public string WeightsSha256 { get; } = WeightsHash.Sha256(Parameters.Select(l => (l.Weights, l.Biases)));
}

/// <summary>The result of one evaluation pass.</summary>
/// <param name="Version">How many updates the parameters had.</param>
/// <param name="Score">Over all evaluated rows.</param>
[GenerateSerializer, Immutable, Alias("evaluation-score")]
public readonly record struct EvaluationMetrics([property: Id(0)] int Version, [property: Id(1)] BatchMetrics Score);
