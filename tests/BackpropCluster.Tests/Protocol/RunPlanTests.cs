using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Simulation;

namespace BackpropCluster.Tests.Protocol;

public class RunPlanTests
{
    [Fact]
    public void ALayerIsCutIntoEqualShardsAndTheLastTakesWhatIsLeft()
    {
        var plan = Plan(new(3));
        Assert.Equal([(0, 3), (3, 3), (6, 3), (9, 3), (12, 1)], plan.ShardsOf(1).Select(s => (s.First, s.Units)));
        Assert.Equal([(0, 3), (3, 3), (6, 3), (9, 2)], plan.ShardsOf(2).Select(s => (s.First, s.Units)));
        Assert.Equal([(0, 3)], plan.ShardsOf(3).Select(s => (s.First, s.Units)));
        Assert.Equal([0, 1, 2, 3, 4], plan.ShardsOf(1).Select(s => s.Index));
    }

    [Fact]
    public void AShardIsANeuronOrALayerAtTheEndsOfTheScale()
    {
        Assert.Equal(13 + 11 + 3, Plan(Granularity.Neuron).ShardCount);
        Assert.All(Plan(Granularity.Neuron).ShardsOf(2), s => Assert.Equal(1, s.Units));
        Assert.Equal(
            [13, 11, 3],
            Enumerable.Range(1, 3).Select(l => Assert.Single(Plan(Granularity.Layer).ShardsOf(l)).Units)
        );
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(100)]
    public void OrdinalsNumberThePartsInOrder(int units)
    {
        var plan = Plan(new(units));
        Assert.Equal(plan.ActorCount, plan.Actors.Count());
        Assert.Equal(Enumerable.Range(0, plan.ActorCount), plan.Actors.Select(plan.OrdinalOf));
        Assert.Equal((ActorId.Source, ActorId.Loss), (plan.Actors.First(), plan.Actors.Last()));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(4, 0)]
    [InlineData(1, -1)]
    [InlineData(1, 5)]
    [InlineData(3, 1)]
    public void APartThatThePlanDoesNotHaveHasNoOrdinal(int layer, int index)
    {
        Assert.Equal(-1, Plan(new(3)).OrdinalOf(ActorId.Shard(layer, index)));
        Assert.Equal(-1, Plan(new(3)).OrdinalOf(ActorId.Coordinator));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 3)]
    [InlineData(3, 1)]
    [InlineData(3, 2)]
    [InlineData(100, 1)]
    public void MessagesPerStepAreWhatACarrierDelivers(int units, int microbatches)
    {
        var spec = Runs.Uneven(batch: 5, microbatches: microbatches) is var s
            ? s with
            {
                Data = s.Data with { Test = 0 },
            }
            : s;
        var data = Dataset.Prepare(Runs.SevenFeatures(), spec.Data, spec.Seed, 3);
        var plan = Runs.Plan(spec, data, new(units));
        var carrier = new DeterministicSimulator(plan, data, DeterministicSimulator.Product, Disturbance.None, 1);
        carrier.Run();

        // Restored of each actor comes before the first of the three steps.
        Assert.Equal(3, carrier.Coordinator.Steps);
        Assert.Equal(plan.ActorCount + 3 * plan.MessagesPerStep, carrier.Traffic.Local);
    }

    // z and ∂W: 2·13·7, and S and ∂V: 2·13·11, of the first layer, and so on; the Loss handles each value once. The
    // Source only copies, and stands on every silo that wants rows.
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(100)]
    public void TheMultiplyAddsAreThoseOfTheModelHoweverItIsCut(int units)
    {
        var plan = Plan(new(units));
        Assert.Equal(2 * 13 * (7 + 11) + 2 * 11 * (13 + 3) + 2 * 3 * 11 + 3, plan.Actors.Sum(plan.MultiplyAddsOf));
    }

    [Fact]
    public void APlanWithAnotherGranularityIsCutAnew()
    {
        var neurons = Plan(Granularity.Neuron);
        Assert.Equal(27, neurons.ShardCount);
        Assert.Equal(3, (neurons with { Granularity = Granularity.Layer }).ShardCount);
    }

    private static RunPlan Plan(Granularity granularity)
    {
        var spec = Runs.Uneven(batch: 5);
        return Runs.Plan(spec, Dataset.Prepare(Runs.SevenFeatures(), spec.Data, spec.Seed, 3), granularity);
    }
}
