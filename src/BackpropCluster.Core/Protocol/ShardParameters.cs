namespace BackpropCluster.Core.Protocol;

/// <summary>What a shard holds at a committed version.</summary>
/// <param name="Weights">W: units × inputs, row-major.</param>
/// <param name="Biases">One per unit.</param>
/// <param name="WeightsSum">Order-free sum over <paramref name="Weights"/> and their optimizer state, by their address
/// in the layer.</param>
/// <param name="OutgoingSum">The same over the outgoing weights, by their address in the next layer. Summed over all
/// shards of a layer it equals the next layer's sum of <paramref name="WeightsSum"/>, or the two ends have
/// parted.</param>
[GenerateSerializer, Immutable, Alias("slice-parameters")]
public sealed record ShardParameters(
    [property: Id(0)] Payload Weights,
    [property: Id(1)] Payload Biases,
    [property: Id(2)] ulong WeightsSum,
    [property: Id(3)] ulong OutgoingSum
)
{
    /// <summary>Puts the parameters of consecutive units together; the sums are those of the first.</summary>
    public static ShardParameters Join(IReadOnlyList<ShardParameters> pieces) =>
        pieces.Count == 1
            ? pieces[0]
            : pieces[0] with
            {
                Weights = new Payload(
                    pieces.Sum(p => p.Weights.Units),
                    pieces[0].Weights.Rows,
                    [.. pieces.SelectMany(p => p.Weights.Values)]
                ),
                Biases = new Payload(pieces.Sum(p => p.Biases.Units), 1, [.. pieces.SelectMany(p => p.Biases.Values)]),
            };
}
