using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>The exchange of silo a, where o1 and o2 of the tutorial's last layer stand on a and b and the hidden units
/// on both.</summary>
public class ExchangeTests
{
    private readonly RecordingOutbox outbox = new();
    private readonly Exchange exchange = new("a");
    private readonly RunPlan plan;
    private readonly TestMessages letters;

    public ExchangeTests()
    {
        var spec = Runs.Mazur(100, UpdateOrder.AfterBackward);
        plan = Runs.Plan(spec, Runs.BuiltIn(spec), Granularity.Neuron) with { Placement = PlacementRule.ByShard };
        letters = new TestMessages(plan);
        exchange.Receive(
            new Restore(letters.Key(1, Phase.Forward, ActorId.Coordinator), plan, Placement.Of(plan, ["a", "b"]), null)
            {
                Loaded = new LoadedState(null, null),
            },
            outbox
        );
        foreach (var part in exchange.Actors)
            exchange.Receive(new Restored(letters.Key(1, Phase.Forward, part)), outbox);
        outbox.Sent.Clear();
    }

    [Fact]
    public void EachSiloThatHoldsUnitsOfTheFirstLayerHasASource()
    {
        Assert.Equal([ActorId.Source, ActorId.Shard(1, 0), ActorId.Shard(2, 0), ActorId.Loss], exchange.Actors);
        Assert.True(Placement.Of(plan, ["a", "b"]).HasSource(plan, 1));
        Assert.False((Placement.Of(plan with { Placement = PlacementRule.Pack }, ["a", "b"])).HasSource(plan, 1));
    }

    [Fact]
    public void AnArrayLeavesAtOnceAndOnceForTheOtherSilo()
    {
        Receive(letters.Activation(1, TutorialSlice.H1, 0.6));
        var (to, message) = Assert.Single(outbox.Sent);
        Assert.Equal((Recipients.Exchange(1), 0.6), (to, ((Activations)message).Values.Values[0]));
        Assert.Equal(Restored + new Traffic(0, 0, 8, 1), exchange.Traffic);
    }

    [Fact]
    public void ReceiversAreServedWhenTheLastArrayOfTheLayerIsIn()
    {
        Receive(letters.Activation(1, TutorialSlice.H1, 0.6));
        outbox.Sent.Clear();
        Receive(Bundle(from: 1, layer: 1, 0.5));
        var (to, message) = Assert.Single(outbox.Sent);
        Assert.Equal(Recipients.ShardsOf(2), to);
        Assert.Equal([0.6, 0.5], ((Activations)message).Values.Values);
        Assert.Equal(Restored + new Traffic(1, 1, 8, 1), exchange.Traffic);
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
        Assert.Equal(Restored + new Traffic(1, 1, 8, 1), exchange.Traffic);
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
        var key = letters.Key(1, Phase.Forward, ActorId.Exchange(1, 1));
        Receive(new Activations(key, new Payload(2, 1, [1, 2])));
        Assert.Equal(FailureKind.Defect, outbox.Only<Failure>().Kind);
    }

    [Fact]
    public void TheCoordinatorHearsOneReadyForAllShardsOfTheSilo()
    {
        var (h1, o1) = (
            new Ready(letters.Key(1, Phase.Backward, ActorId.Shard(1, 0))),
            new Ready(letters.Key(1, Phase.Backward, ActorId.Shard(2, 0)))
        );
        Receive(h1, h1);
        outbox.AssertSilent();
        Receive(o1, o1);
        Assert.Equal(ActorId.Exchange(0), outbox.Only<Ready>().Key.From);
    }

    [Fact]
    public void TheCoordinatorHearsThatTheSiloIsRestoredWhenEachPartIs()
    {
        var restore = new Restore(
            letters.Key(1, Phase.Forward, ActorId.Coordinator) with
            {
                Term = 2,
            },
            plan,
            Placement.Of(plan, ["a", "b"]),
            null
        )
        {
            Loaded = new LoadedState(null, null),
        };
        Receive(restore);
        Assert.Equal(Recipients.Everyone, Assert.Single(outbox.Sent).To);
        foreach (var part in exchange.Actors.SkipLast(1))
            Receive(new Restored(restore.Key with { From = part }));
        Assert.Single(outbox.Sent);
        Receive(new Restored(restore.Key with { From = ActorId.Loss }));
        Assert.Equal(ActorId.Exchange(0), outbox.All<Restored>().Single().Key.From);
    }

    [Fact]
    public void ASiloWithoutPartsIsRestoredAtOnce()
    {
        var empty = new Exchange("c");
        empty.Receive(
            new Restore(
                letters.Key(1, Phase.Forward, ActorId.Coordinator),
                plan,
                Placement.Of(plan, ["a", "b", "c"]),
                null
            )
            {
                Loaded = new LoadedState(null, null),
            },
            outbox
        );
        Assert.Equal(ActorId.Exchange(2), outbox.Only<Restored>().Key.From);
    }

    [Fact]
    public void ASiloWhoseReceiversStandElsewhereOnlySends()
    {
        var stages = plan with { Placement = PlacementRule.ByLayer };
        var first = new Exchange("a");
        first.Receive(
            new Restore(
                letters.Key(1, Phase.Forward, ActorId.Coordinator),
                stages,
                Placement.Of(stages, ["a", "b"]),
                null
            )
            {
                Loaded = new LoadedState(null, null),
            },
            outbox
        );
        foreach (var part in first.Actors)
            first.Receive(new Restored(letters.Key(1, Phase.Forward, part)), outbox);
        outbox.Sent.Clear();
        first.Receive(letters.Activation(1, TutorialSlice.H1, 0.6), outbox);
        outbox.AssertSilent();
        first.Receive(letters.Activation(1, TutorialSlice.H2, 0.5), outbox);
        var (to, message) = Assert.Single(outbox.Sent);
        Assert.Equal(Recipients.Exchange(1), to);
        Assert.Equal([0.6, 0.5], ((Activations)message).Values.Values);
    }

    // Restored of four parts.
    private static Traffic Restored => new(4, 0, 0, 0);

    private Activations Bundle(int from, int layer, double value) =>
        new(letters.Key(1, Phase.Forward, ActorId.Exchange(from, layer)), new Payload(1, 1, [value]));

    private void Receive(params Message[] messages)
    {
        foreach (var message in messages)
            exchange.Receive(message, outbox);
    }

    [Fact]
    public void ARestoreTakesEffectWhenWhatItNeedsIsLoaded()
    {
        var fresh = new Exchange("a");
        var restore = Unloaded(term: 1);
        fresh.Receive(restore, outbox);
        Assert.Equal([(restore, true)], outbox.Loads);
        Assert.Empty(fresh.Actors);
        outbox.AssertSilent();

        var loaded = restore with { Loaded = new LoadedState(null, null) };
        fresh.Receive(loaded, outbox);
        Assert.Equal((Recipients.Everyone, (Message)loaded), Assert.Single(outbox.Sent));
        Assert.NotEmpty(fresh.Actors);
    }

    [Fact]
    public void WhatCannotBeLoadedIsSaidInTheTermOfItsRestore()
    {
        exchange.Receive(Unloaded(term: 3) with { Loaded = new CheckpointUnreadable() }, outbox);
        Assert.Equal(3, outbox.Only<NeedRestore>().Key.Term);
        exchange.Receive(Unloaded(term: 3) with { Loaded = new RowsUnreadable("silo a: no file") }, outbox);
        var failure = outbox.Only<Failure>();
        Assert.Equal((FailureKind.Data, "silo a: no file", "a"), (failure.Kind, failure.Reason, failure.Silo));
        Assert.Equal(1, exchange.Term);
    }

    /// <summary>Loading takes as long as it takes: that of an earlier term may be done after that of a later
    /// one.</summary>
    [Fact]
    public void WhatWasLoadedForAnEarlierTermIsDropped()
    {
        exchange.Receive(Unloaded(term: 3) with { Loaded = new LoadedState(null, null) }, outbox);
        outbox.Sent.Clear();
        exchange.Receive(Unloaded(term: 2) with { Loaded = new LoadedState(null, null) }, outbox);
        exchange.Receive(Unloaded(term: 2), outbox);
        Assert.Empty(outbox.Loads);
        outbox.AssertSilent();
        Assert.Equal((3, 2), (exchange.Term, exchange.StaleMessages));
    }

    private Restore Unloaded(int term) =>
        new(
            letters.Key(1, Phase.Forward, ActorId.Coordinator) with
            {
                Term = term,
            },
            plan,
            Placement.Of(plan, ["a", "b"]),
            null
        );
}
