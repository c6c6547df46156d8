using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>Every inner weight lives at two ends; nobody reads a result in which they differ.</summary>
public class ParametersAssemblyTests
{
    private static readonly RunPlan Plan = MakePlan();

    [Fact]
    public void TheLayersAreThoseOfTheUncutModel()
    {
        var whole = new DenseShard(Plan.Spec, Plan.Features, 2, 0, 11);
        var layers = ParametersAssembly.Assemble(Plan, Read);
        Assert.Equal(3, layers.Length);
        Assert.Equal(whole.Weights.Values, layers[1].Weights);
        Assert.Equal(whole.Biases.Values, layers[1].Biases);
    }

    [Theory]
    [InlineData(2, 0)]
    [InlineData(2, 3)]
    [InlineData(3, 0)]
    public void OneBitOfOneWeightAtItsOwnersEndIsFound(int layer, int index)
    {
        var divergence = Assert.Throws<DivergenceException>(() =>
            ParametersAssembly.Assemble(
                Plan,
                range =>
                    range.Layer == layer && range.Index == index
                        ? Read(range, shard => shard.Weights.Values[^1] = Math.BitIncrement(shard.Weights.Values[^1]))
                        : Read(range)
            )
        );
        Assert.Equal($"the two ends of the weights between layers {layer - 1} and {layer} differ", divergence.Message);
    }

    [Fact]
    public void OneBitAtTheOtherEndIsFoundAsWell() =>
        Assert.Throws<DivergenceException>(() =>
            ParametersAssembly.Assemble(
                Plan,
                range =>
                    range.Layer == 1 && range.Index == 4
                        ? Read(range, shard => shard.Outgoing.Values[0] = Math.BitIncrement(shard.Outgoing.Values[0]))
                        : Read(range)
            )
        );

    // A plain sum of the numbers would be the same.
    [Fact]
    public void TwoWeightsThatChangedPlacesAreFound() =>
        Assert.Throws<DivergenceException>(() =>
            ParametersAssembly.Assemble(
                Plan,
                range =>
                    range.Layer == 2 && range.Index == 0
                        ? Read(
                            range,
                            shard =>
                                (shard.Weights.Values[0], shard.Weights.Values[1]) = (
                                    shard.Weights.Values[1],
                                    shard.Weights.Values[0]
                                )
                        )
                        : Read(range)
            )
        );

    private static ShardParameters Read(ShardRange range) => Read(range, _ => { });

    private static ShardParameters Read(ShardRange range, Action<DenseShard> spoil)
    {
        var shard = new DenseShard(Plan.Spec, Plan.Features, range.Layer, range.First, range.Units);
        spoil(shard);
        return new ShardParameters(
            new Payload(shard.Units, shard.Inputs, shard.Weights.Values),
            new Payload(shard.Units, 1, shard.Biases.Values),
            WeightsHash.CommutativeChecksum(shard.Weights.Values, shard.Inputs, shard.Inputs, range.First, 0),
            WeightsHash.CommutativeChecksum(
                shard.Outgoing.Values,
                shard.Units,
                Plan.Spec.Model.Layers[range.Layer - 1].Units,
                0,
                range.First
            )
        );
    }

    private static RunPlan MakePlan()
    {
        var spec = Runs.Uneven(batch: 5);
        return Runs.Plan(spec, Dataset.Prepare(Runs.SevenFeatures(), spec.Data, spec.Seed, 3), new(3));
    }
}
