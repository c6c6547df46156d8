using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Simulation;

namespace BackpropCluster.Tests.Simulation;

/// <summary>The suite can fail: a shard that adds in the order of arrival is found out, one that adds by position is
/// not.</summary>
public class SumOrderTests
{
    private const int Histories = 20;
    private static readonly RunSpec Spec = Runs.Uneven(batch: 5) with
    {
        Data = Runs.Uneven(batch: 5).Data with { Test = 0 },
    };
    private static readonly Dataset Data = Dataset.Prepare(Runs.SevenFeatures(), Spec.Data, Spec.Seed, 3);

    [Fact]
    public void SummedByPositionEveryHistoryEndsInTheReferencesHash() =>
        Assert.All(Enumerable.Range(0, Histories), seed => Assert.Equal(Golden, Hash(SumOrder.Position, (ulong)seed)));

    [Fact]
    public void SummedByArrivalAHistoryEndsInAnotherHash() =>
        Assert.Contains(Enumerable.Range(0, Histories), seed => Hash(SumOrder.Arrival, (ulong)seed) != Golden);

    private static string Golden { get; } = ReferenceTrainer.Train(Spec, Data).WeightsSha256;

    private static string Hash(SumOrder order, ulong seed)
    {
        var shuffle = new Shuffle(
            Runs.Plan(Spec, Data, Granularity.Neuron),
            Data,
            id => id.Kind == ActorRole.Shard ? new NaiveShard(id, order) : DeterministicSimulator.Product(id),
            seed
        );
        Assert.Equal(RunStatus.Completed, shuffle.Run().Status);
        var shards = shuffle
            .Actors.Values.OfType<NaiveShard>()
            .OrderBy(s => s.First)
            .Select(s => (s.Layer, Parameters: s.Finish()))
            .ToArray();
        return WeightsHash.Sha256(
            Enumerable
                .Range(1, 3)
                .Select(layer =>
                {
                    var parameters = shards.Where(s => s.Layer == layer).Select(s => s.Parameters).ToArray();
                    return (
                        parameters.SelectMany(p => p.Weights).ToArray(),
                        parameters.SelectMany(p => p.Biases).ToArray()
                    );
                })
        );
    }
}
