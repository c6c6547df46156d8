using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>The tutorial's 2-2-2 net with neuron shards, the same share of each layer on silos a and b; c holds
/// nothing.</summary>
public class RouterTests
{
    private readonly RunPlan plan;
    private readonly Placement placement;

    public RouterTests()
    {
        var spec = Runs.Mazur(1, UpdateOrder.AfterBackward);
        plan = Runs.Plan(spec, Runs.BuiltIn(spec), Granularity.Neuron) with { Placement = PlacementRule.ByShard };
        placement = Placement.Of(plan, ["a", "b"]);
        placement = placement with { Silos = [.. placement.Silos, "c"] };
    }

    [Theory]
    [InlineData("a", "Source, shard 0 of layer 1, shard 0 of layer 2, Loss", "shard 0 of layer 2")]
    [InlineData("b", "Source, shard 1 of layer 1, shard 1 of layer 2", "shard 1 of layer 2")]
    [InlineData("c", "", "")]
    public void AnExchangeSpeaksToThePartsOfItsSiloAlone(string silo, string everyone, string last)
    {
        var router = Router.OfExchange(plan, placement, silo, id => $"{id}", other => $"exchange on {other}");
        Assert.Equal(everyone, string.Join(", ", router.Everyone));
        Assert.Equal(last, string.Join(", ", router.ReceiversOf(Recipients.ShardsOf(2)).ToArray()));
        Assert.Equal(["exchange on b"], router.ReceiversOf(Recipients.Exchange(1)).ToArray());
        Assert.Equal(silo == "a" ? ["Loss"] : [], router.ReceiversOf(Recipients.Loss).ToArray());
        Assert.Throws<InvariantViolationException>(() => router.ReceiversOf(Recipients.Coordinator).Length);
    }

    [Fact]
    public void ACoordinatorSpeaksToTheSilosThatHoldParts()
    {
        var router = Router.OfCoordinator(plan, placement, silo => silo);
        Assert.Equal(["a", "b"], router.Everyone);
        Assert.Equal(["a", "b"], router.ReceiversOf(Recipients.Source).ToArray());
        var packed = plan with { Placement = PlacementRule.Pack };
        Assert.Equal(["a"], Router.OfCoordinator(packed, Placement.Of(packed, ["a", "b"]), silo => silo).Everyone);
    }
}
