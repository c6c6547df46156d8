using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>The first lines of every handler, one situation a test (design, promise two).</summary>
public class ReceiveRuleTests
{
    [Fact]
    public void AMessageOfALowerTermIsDroppedAndCounted()
    {
        var shard = TutorialSlice.After(steps: 0);
        shard.Receive((shard.Letters with { Term = 3 }).Restore());
        shard.Outbox.Sent.Clear();

        shard.Receive(shard.Letters.Hidden(1, 0.6, 0.5));

        shard.Outbox.AssertSilent();
        Assert.Equal(1, shard.State.StaleMessages);
    }

    // Otherwise one sum would hold numbers of two attempts.
    [Fact]
    public void AMessageOfALowerTermFillsNoSlot()
    {
        var shard = TutorialSlice.After(steps: 0);
        var newer = shard.Letters with { Term = 2 };
        shard.Receive(newer.Restore(), shard.Letters.Hidden(1, 99), newer.Hidden(1));
        Assert.Empty(shard.Outbox.All<Failure>());
    }

    [Fact]
    public void AHigherTermMakesItForgetAndAskForAState()
    {
        var shard = TutorialSlice.After(steps: 1);
        shard.Receive(shard.Letters.Hidden(2));
        shard.Outbox.Sent.Clear();
        var newer = shard.Letters with { Term = 4 };

        shard.Receive(newer.Hidden(2));

        var need = shard.Outbox.Only<NeedRestore>();
        Assert.Equal((4, ActorId.Shard(2, 0)), (need.Key.Term, need.Key.From));
        Assert.Equal(4, shard.State.Term);

        // Half of step 2 was there; after the new term's Restore nothing of it is, and other numbers are no
        // contradiction.
        shard.Receive(newer.Restore(), newer.Hidden(1, 7));
        Assert.Equal(0, shard.State.Version);
        Assert.Equal([typeof(Restored), typeof(Activations)], shard.Outbox.Sent.Select(s => s.Message.GetType()));
    }

    [Fact]
    public void AMessageOfAnotherRunFileIsRefusedAndCounted()
    {
        var shard = TutorialSlice.After(steps: 0);
        var edited = new TestMessages(shard.Letters.Plan with { Fingerprint = 43 }) { Term = 9 };

        shard.Receive(edited.Hidden(1), edited.Restore());

        shard.Outbox.AssertSilent();
        Assert.Equal((2, 1), (shard.State.StaleMessages, shard.State.Term));
    }

    [Fact]
    public void ARepeatOfAFullSlotIsIgnored()
    {
        var shard = TutorialSlice.After(steps: 0);
        var y = shard.Letters.Hidden(1);
        shard.Receive(y, y);
        shard.Outbox.Only<Activations>();
        shard.Receive(shard.Letters.Slopes(1), shard.Letters.Slopes(1), y);
        Assert.Equal([typeof(Deltas), typeof(Ready)], shard.Outbox.Sent.Select(s => s.Message.GetType()));
    }

    [Theory]
    [InlineData(0.6, 0.7)]
    [InlineData(0.0, -0.0)] // bits, not numbers
    public void OtherBitsUnderTheSameKeyEndTheRun(double first, double second)
    {
        var shard = TutorialSlice.After(steps: 0);
        shard.Receive(shard.Letters.Hidden(1, first), shard.Letters.Hidden(1, second));
        var failure = shard.Outbox.All<Failure>().Single();
        Assert.Equal(FailureKind.Divergence, failure.Kind);
        Assert.Contains("step 1, Forward, microbatch 0, from ", failure.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void APayloadOfTheWrongShapeEndsTheRun()
    {
        var shard = TutorialSlice.After(steps: 0);
        var key = shard.Letters.Key(1, Phase.Forward, TutorialSlice.H1);
        shard.Receive(new Activations(key, new Payload(3, 1, [1, 2, 3])));
        var failure = shard.Outbox.Only<Failure>();
        Assert.Equal(FailureKind.Defect, failure.Kind);
        Assert.Contains("3 units × 1 rows", failure.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void AMessageOfACommittedStepIsIgnored()
    {
        var shard = TutorialSlice.After(steps: 2);
        Assert.Equal(1, shard.State.Version);
        shard.Receive(
            shard.Letters.Hidden(1, 5),
            shard.Letters.Slopes(1, 5),
            shard.Letters.Advance(1),
            shard.Letters.Evaluate(0)
        );
        shard.Outbox.AssertSilent();
        Assert.Equal((1, 4), (shard.State.Version, shard.State.StaleMessages));
    }

    [Fact]
    public void AMessageOfTheStepAfterTheNextCommitsWhatWaits()
    {
        var shard = TutorialSlice.After(steps: 1);
        Assert.Equal(0, shard.State.Version);
        shard.Receive(shard.Letters.Hidden(2, 0.6, 0.5));
        Assert.Equal(1, shard.State.Version);

        // o1 with w5, w6 after the update: δ = 0.7·y(1 − y), w ← w − ½·δ·h.
        var y = Logistic(0.40 * 0.6 + 0.45 * 0.5 + 0.60);
        var delta = 0.7 * y * (1 - y);
        var expected = Logistic((0.40 - 0.5 * delta * 0.6) * 0.6 + (0.45 - 0.5 * delta * 0.5) * 0.5 + 0.60);
        Assert.Equal(expected, shard.Outbox.Only<Activations>().Values.Values[0], 1e-15);
    }

    [Fact]
    public void AMessageOfTheStepAfterTheNextAsksForAStateWhereNothingWaits()
    {
        var shard = TutorialSlice.After(steps: 0);
        shard.Receive(shard.Letters.Hidden(1), shard.Letters.Hidden(2));
        var need = shard.Outbox.All<NeedRestore>().Single();
        Assert.Equal((1, 0), (need.Key.Term, shard.State.Version));
    }

    [Fact]
    public void AMessageThatSkipsAStepAsksForAState()
    {
        var shard = TutorialSlice.After(steps: 1);
        shard.Receive(shard.Letters.Hidden(3));
        shard.Outbox.Only<NeedRestore>();
        Assert.Equal(0, shard.State.Version);
    }

    [Fact]
    public void ARepeatedRestoreOfTheSameTermThrowsNothingAwayAndIsAnswered()
    {
        var shard = TutorialSlice.After(steps: 2);
        shard.Receive(shard.Letters.Restore());
        Assert.Equal(1, shard.Outbox.Only<Restored>().Key.Term);
        Assert.Equal(1, shard.State.Version);

        // Step 2 is still waiting: its commit needs nothing again.
        shard.Receive(shard.Letters.Advance(3));
        shard.Outbox.AssertSilent();
        Assert.Equal(2, shard.State.Version);
    }

    [Fact]
    public void ARestoreOfALowerTermIsDropped()
    {
        var shard = TutorialSlice.After(steps: 0);
        shard.Receive((shard.Letters with { Term = 5 }).Restore());
        shard.Outbox.Sent.Clear();
        shard.Receive((shard.Letters with { Term = 4 }).Restore());
        shard.Outbox.AssertSilent();
        Assert.Equal((5, 1), (shard.State.Term, shard.State.StaleMessages));
    }

    [Fact]
    public void ARestoreOfAHigherTermBeginsAgain()
    {
        var shard = TutorialSlice.After(steps: 2);
        shard.Receive((shard.Letters with { Term = 2 }).Restore());
        Assert.Equal(2, shard.Outbox.Only<Restored>().Key.Term);
        Assert.Equal((2, 0), (shard.State.Term, shard.State.Version));
    }

    [Fact]
    public void AnEvaluationOfAVersionProvesItsCommit()
    {
        var shard = TutorialSlice.After(steps: 1);
        shard.Receive(shard.Letters.Hidden(1, phase: Phase.Evaluate));
        Assert.Equal(1, shard.State.Version);
        Assert.Equal(Phase.Evaluate, shard.Outbox.Only<Activations>().Key.Phase);
    }

    [Fact]
    public void ReadingAVersionProvesItsCommit()
    {
        var shard = TutorialSlice.After(steps: 1);
        var parameters = shard.State.Read(
            shard.Letters.Key(1, Phase.Evaluate, ActorId.Coordinator),
            0,
            1,
            shard.Outbox
        );
        Assert.Equal(1, shard.State.Version);
        Assert.NotEqual(0.40, parameters!.Weights.Values[0]);
        Assert.Null(shard.State.Read(shard.Letters.Key(3, Phase.Evaluate, ActorId.Coordinator), 0, 1, shard.Outbox));
        shard.Outbox.Only<NeedRestore>();
    }

    [Theory]
    [InlineData(ActorRole.Source)]
    [InlineData(ActorRole.Shard)]
    [InlineData(ActorRole.Loss)]
    public void APartWithoutStateAsksForOneWhateverItIsTold(ActorRole kind)
    {
        var shard = new TutorialSlice();
        var letters = shard.Letters with { Term = 6 };
        Message[] messages = [letters.Advance(1), letters.Hidden(4), letters.Slopes(1), letters.Evaluate(2)];
        foreach (var message in messages)
        {
            Actor part = kind switch
            {
                ActorRole.Source => new SourceActor(),
                ActorRole.Loss => new LossActor(),
                _ => new ShardActor(ActorId.Shard(2, 0)),
            };
            part.Receive(message, shard.Outbox);
            var need = shard.Outbox.Only<NeedRestore>();
            Assert.Equal((part.Id, 6), (need.Key.From, need.Key.Term));
        }
    }

    private static double Logistic(double z) => 1 / (1 + Math.Exp(-z));
}
