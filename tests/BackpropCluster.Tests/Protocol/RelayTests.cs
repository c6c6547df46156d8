using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>The relay of silo a, where o1 and o2 of the tutorial's last layer stand on a and b and the hidden units on both.</summary>
public class RelayTests
{
    private readonly RecordingOutbox outbox = new();
    private readonly RelayState relay = new("a");
    private readonly RunPlan plan;
    private readonly Letters letters;

    public RelayTests()
    {
        var spec = Runs.Mazur(100, UpdateOrder.AfterBackward);
        plan = Runs.Plan(spec, Runs.BuiltIn(spec), Granularity.Neuron) with { Placement = PlacementRule.ByShard };
        letters = new Letters(plan);
        relay.Receive(new Restore(letters.Key(1, Phase.Forward, PartId.Coordinator), plan, Placement.Of(plan, ["a", "b"]), null), outbox);
        foreach (var part in relay.Parts) relay.Receive(new Restored(letters.Key(1, Phase.Forward, part)), outbox);
        outbox.Sent.Clear();
    }

    [Fact]
    public void EachSiloThatHoldsUnitsOfTheFirstLayerHasASource()
    {
        Assert.Equal([PartId.Source, PartId.Slice(1, 0), PartId.Slice(2, 0), PartId.Loss], relay.Parts);
        Assert.True(Placement.Of(plan, ["a", "b"]).HasSource(plan, 1));
        Assert.False((Placement.Of(plan with { Placement = PlacementRule.Pack }, ["a", "b"])).HasSource(plan, 1));
    }

    [Fact]
    public void AnArrayLeavesAtOnceAndOnceForTheOtherSilo()
    {
        Receive(letters.Activation(1, TutorialSlice.H1, 0.6));
        var (to, message) = Assert.Single(outbox.Sent);
        Assert.Equal((Recipients.Relay(1), 0.6), (to, ((Activations)message).Values.Values[0]));
        Assert.Equal(Restored + new Traffic(0, 0, 8, 1), relay.Traffic);
    }

    [Fact]
    public void ReceiversAreServedWhenTheLastArrayOfTheLayerIsIn()
    {
        Receive(letters.Activation(1, TutorialSlice.H1, 0.6));
        outbox.Sent.Clear();
        Receive(Bundle(from: 1, layer: 1, 0.5));
        var (to, message) = Assert.Single(outbox.Sent);
        Assert.Equal(Recipients.SlicesOf(2), to);
        Assert.Equal([0.6, 0.5], ((Activations)message).Values.Values);
        Assert.Equal(Restored + new Traffic(1, 1, 8, 1), relay.Traffic);
    }

    // In order of arrival the other silo's h2 would stand first, and every sum over it would end in other bits.
    [Fact]
    public void ArraysStandInTheOrderOfTheirSendersHoweverTheyCome()
    {
        Receive(Bundle(from: 1, layer: 1, 0.5), letters.Activation(1, TutorialSlice.H1, 0.6));
        Assert.Equal([0.6, 0.5], outbox.All<Activations>().Single(a => a.Values.Units == 2).Values.Values);
    }

    [Fact]
    public void ARepeatIsNeitherSentNorCounted()
    {
        Message[] once = [letters.Activation(1, TutorialSlice.H1, 0.6), Bundle(from: 1, layer: 1, 0.5)];
        Receive([.. once, .. once]);
        Assert.Equal(2, outbox.Sent.Count);
        Assert.Equal(Restored + new Traffic(1, 1, 8, 1), relay.Traffic);
    }

    [Fact]
    public void OtherBitsUnderTheSameKeyEndTheRun()
    {
        Receive(letters.Activation(1, TutorialSlice.H1, 0.6), letters.Activation(1, TutorialSlice.H1, 0.7));
        Assert.Equal(FailureKind.Divergence, outbox.All<Failure>().Single().Kind);
    }

    [Fact]
    public void ABundleOfAnotherShapeEndsTheRun()
    {
        var key = letters.Key(1, Phase.Forward, PartId.Relay(1, 1));
        Receive(new Activations(key, new Payload(2, 1, [1, 2])));
        Assert.Equal(FailureKind.Defect, outbox.Only<Failure>().Kind);
    }

    [Fact]
    public void TheCoordinatorHearsOneReadyForAllSlicesOfTheSilo()
    {
        var (h1, o1) = (new Ready(letters.Key(1, Phase.Backward, PartId.Slice(1, 0))), new Ready(letters.Key(1, Phase.Backward, PartId.Slice(2, 0))));
        Receive(h1, h1);
        outbox.AssertSilent();
        Receive(o1, o1);
        Assert.Equal(PartId.Relay(0), outbox.Only<Ready>().Key.From);
    }

    [Fact]
    public void TheCoordinatorHearsThatTheSiloIsRestoredWhenEachPartIs()
    {
        var restore = new Restore(letters.Key(1, Phase.Forward, PartId.Coordinator) with { Term = 2 }, plan, Placement.Of(plan, ["a", "b"]), null);
        Receive(restore);
        Assert.Equal(Recipients.Everyone, Assert.Single(outbox.Sent).To);
        foreach (var part in relay.Parts.SkipLast(1)) Receive(new Restored(restore.Key with { From = part }));
        Assert.Single(outbox.Sent);
        Receive(new Restored(restore.Key with { From = PartId.Loss }));
        Assert.Equal(PartId.Relay(0), outbox.All<Restored>().Single().Key.From);
    }

    [Fact]
    public void ASiloWithoutPartsIsRestoredAtOnce()
    {
        var empty = new RelayState("c");
        empty.Receive(new Restore(letters.Key(1, Phase.Forward, PartId.Coordinator), plan, Placement.Of(plan, ["a", "b", "c"]), null), outbox);
        Assert.Equal(PartId.Relay(2), outbox.Only<Restored>().Key.From);
    }

    [Fact]
    public void ASiloWhoseReceiversStandElsewhereOnlySends()
    {
        var stages = plan with { Placement = PlacementRule.ByLayer };
        var first = new RelayState("a");
        first.Receive(new Restore(letters.Key(1, Phase.Forward, PartId.Coordinator), stages, Placement.Of(stages, ["a", "b"]), null), outbox);
        foreach (var part in first.Parts) first.Receive(new Restored(letters.Key(1, Phase.Forward, part)), outbox);
        outbox.Sent.Clear();
        first.Receive(letters.Activation(1, TutorialSlice.H1, 0.6), outbox);
        outbox.AssertSilent();
        first.Receive(letters.Activation(1, TutorialSlice.H2, 0.5), outbox);
        var (to, message) = Assert.Single(outbox.Sent);
        Assert.Equal(Recipients.Relay(1), to);
        Assert.Equal([0.6, 0.5], ((Activations)message).Values.Values);
    }

    // Restored of four parts.
    private static Traffic Restored => new(4, 0, 0, 0);

    private Activations Bundle(int from, int layer, double value) =>
        new(letters.Key(1, Phase.Forward, PartId.Relay(from, layer)), new Payload(1, 1, [value]));

    private void Receive(params Message[] messages)
    {
        foreach (var message in messages) relay.Receive(message, outbox);
    }
}
