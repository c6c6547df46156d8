namespace BackpropCluster.Core.Protocol;

/// <summary>What a slice holds at a committed version.</summary>
/// <param name="Weights">W: units × inputs, row-major.</param>
/// <param name="Biases">One per unit.</param>
/// <param name="WeightsSum">Order-free sum over <paramref name="Weights"/> and their optimizer state, by their address in the layer.</param>
/// <param name="OutgoingSum">The same over the outgoing weights, by their address in the next layer. Summed over all slices of a
/// layer it equals the next layer's sum of <paramref name="WeightsSum"/>, or the two ends have parted.</param>
[GenerateSerializer, Immutable, Alias("slice-parameters")]
public sealed record SliceParameters(
    [property: Id(0)] Payload Weights, [property: Id(1)] Payload Biases, [property: Id(2)] ulong WeightsSum, [property: Id(3)] ulong OutgoingSum);
