using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>The first lines of every handler, one situation a test (design, promise two).</summary>
public class ReceiveRuleTests
{
    [Fact]
    public void AMessageOfALowerTermIsDroppedAndCounted()
    {
        var slice = TutorialSlice.After(steps: 0);
        slice.Receive((slice.Letters with { Term = 3 }).Restore());
        slice.Outbox.Sent.Clear();

        slice.Receive(slice.Letters.Activation(1, TutorialSlice.H1, 0.6), slice.Letters.Activation(1, TutorialSlice.H2, 0.5));

        slice.Outbox.AssertSilent();
        Assert.Equal(2, slice.State.StaleMessages);
    }

    // Otherwise one sum would hold numbers of two attempts.
    [Fact]
    public void AMessageOfALowerTermFillsNoSlot()
    {
        var slice = TutorialSlice.After(steps: 0);
        var newer = slice.Letters with { Term = 2 };
        slice.Receive(newer.Restore(), slice.Letters.Activation(1, TutorialSlice.H1, 99), newer.Activation(1, TutorialSlice.H1, 0.6));
        Assert.Empty(slice.Outbox.All<Failure>());
    }

    [Fact]
    public void AHigherTermMakesItForgetAndAskForAState()
    {
        var slice = TutorialSlice.After(steps: 1);
        slice.Receive(slice.Letters.Activation(2, TutorialSlice.H1, 0.6));
        var newer = slice.Letters with { Term = 4 };

        slice.Receive(newer.Activation(2, TutorialSlice.H1, 0.6));

        var need = slice.Outbox.Only<NeedRestore>();
        Assert.Equal((4, PartId.Slice(2, 0)), (need.Key.Term, need.Key.From));
        Assert.Equal(4, slice.State.Term);

        // Half of step 2 was there; after the new term's Restore nothing of it is, and other numbers are no contradiction.
        slice.Receive(newer.Restore(), newer.Activation(1, TutorialSlice.H1, 7));
        Assert.Equal(0, slice.State.Version);
        Assert.IsType<Restored>(Assert.Single(slice.Outbox.Sent).Message);
    }

    [Fact]
    public void AMessageOfAnotherRunFileIsRefusedAndCounted()
    {
        var slice = TutorialSlice.After(steps: 0);
        var edited = new Letters(slice.Letters.Plan with { Fingerprint = 43 }) { Term = 9 };

        slice.Receive(edited.Activation(1, TutorialSlice.H1, 0.6), edited.Restore());

        slice.Outbox.AssertSilent();
        Assert.Equal((2, 1), (slice.State.StaleMessages, slice.State.Term));
    }

    [Fact]
    public void ARepeatOfAFullSlotIsIgnored()
    {
        var slice = TutorialSlice.After(steps: 0);
        var (y1, y2) = (slice.Letters.Activation(1, TutorialSlice.H1, 0.6), slice.Letters.Activation(1, TutorialSlice.H2, 0.5));
        slice.Receive(y1, y1);
        slice.Outbox.AssertSilent();
        slice.Receive(y2, y1, y2);
        slice.Outbox.Only<Activations>();
        slice.Receive(slice.Letters.Slopes(1), slice.Letters.Slopes(1), y1);
        Assert.Equal([typeof(Deltas), typeof(Ready)], slice.Outbox.Sent.Select(s => s.Message.GetType()));
    }

    [Theory]
    [InlineData(0.6, 0.7)]
    [InlineData(0.0, -0.0)] // bits, not numbers
    public void OtherBitsUnderTheSameKeyEndTheRun(double first, double second)
    {
        var slice = TutorialSlice.After(steps: 0);
        slice.Receive(slice.Letters.Activation(1, TutorialSlice.H1, first), slice.Letters.Activation(1, TutorialSlice.H1, second));
        var failure = slice.Outbox.Only<Failure>();
        Assert.Equal(FailureKind.Divergence, failure.Kind);
        Assert.Contains("step 1, Forward, microbatch 0, from slice 0 of layer 1", failure.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void APayloadOfTheWrongShapeEndsTheRun()
    {
        var slice = TutorialSlice.After(steps: 0);
        var key = slice.Letters.Key(1, Phase.Forward, TutorialSlice.H1);
        slice.Receive(new Activations(key, new Payload(2, 1, [1, 2])));
        var failure = slice.Outbox.Only<Failure>();
        Assert.Equal(FailureKind.Defect, failure.Kind);
        Assert.Contains("2 units × 1 rows", failure.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void AnUnknownSenderEndsTheRun()
    {
        var slice = TutorialSlice.After(steps: 0);
        slice.Receive(slice.Letters.Activation(1, PartId.Slice(1, 2), 0.5));
        Assert.Equal(FailureKind.Defect, slice.Outbox.Only<Failure>().Kind);
    }

    [Fact]
    public void AMessageOfACommittedStepIsIgnored()
    {
        var slice = TutorialSlice.After(steps: 2);
        Assert.Equal(1, slice.State.Version);
        slice.Receive(slice.Letters.Activation(1, TutorialSlice.H1, 5), slice.Letters.Slopes(1, 5), slice.Letters.Advance(1), slice.Letters.Evaluate(0));
        slice.Outbox.AssertSilent();
        Assert.Equal((1, 4), (slice.State.Version, slice.State.StaleMessages));
    }

    [Fact]
    public void AMessageOfTheStepAfterTheNextCommitsWhatWaits()
    {
        var slice = TutorialSlice.After(steps: 1);
        Assert.Equal(0, slice.State.Version);
        slice.Receive(slice.Letters.Activation(2, TutorialSlice.H1, 0.6), slice.Letters.Activation(2, TutorialSlice.H2, 0.5));
        Assert.Equal(1, slice.State.Version);

        // o1 with w5, w6 after the update: δ = 0.7·y(1 − y), w ← w − ½·δ·h.
        var y = Logistic(0.40 * 0.6 + 0.45 * 0.5 + 0.60);
        var delta = 0.7 * y * (1 - y);
        var expected = Logistic((0.40 - 0.5 * delta * 0.6) * 0.6 + (0.45 - 0.5 * delta * 0.5) * 0.5 + 0.60);
        Assert.Equal(expected, slice.Outbox.Only<Activations>().Values.Values[0], 1e-15);
    }

    [Fact]
    public void AMessageOfTheStepAfterTheNextAsksForAStateWhereNothingWaits()
    {
        var slice = TutorialSlice.After(steps: 0);
        slice.Receive(slice.Letters.Activation(1, TutorialSlice.H1, 0.6), slice.Letters.Activation(2, TutorialSlice.H1, 0.6));
        Assert.Equal((1, 0), (slice.Outbox.Only<NeedRestore>().Key.Term, slice.State.Version));
    }

    [Fact]
    public void AMessageThatSkipsAStepAsksForAState()
    {
        var slice = TutorialSlice.After(steps: 1);
        slice.Receive(slice.Letters.Activation(3, TutorialSlice.H1, 0.6));
        slice.Outbox.Only<NeedRestore>();
        Assert.Equal(0, slice.State.Version);
    }

    [Fact]
    public void ARepeatedRestoreOfTheSameTermThrowsNothingAwayAndIsAnswered()
    {
        var slice = TutorialSlice.After(steps: 2);
        slice.Receive(slice.Letters.Restore());
        Assert.Equal(1, slice.Outbox.Only<Restored>().Key.Term);
        Assert.Equal(1, slice.State.Version);

        // Step 2 is still waiting: its commit needs nothing again.
        slice.Receive(slice.Letters.Advance(3));
        slice.Outbox.AssertSilent();
        Assert.Equal(2, slice.State.Version);
    }

    [Fact]
    public void ARestoreOfALowerTermIsDropped()
    {
        var slice = TutorialSlice.After(steps: 0);
        slice.Receive((slice.Letters with { Term = 5 }).Restore());
        slice.Outbox.Sent.Clear();
        slice.Receive((slice.Letters with { Term = 4 }).Restore());
        slice.Outbox.AssertSilent();
        Assert.Equal((5, 1), (slice.State.Term, slice.State.StaleMessages));
    }

    [Fact]
    public void ARestoreOfAHigherTermBeginsAgain()
    {
        var slice = TutorialSlice.After(steps: 2);
        slice.Receive((slice.Letters with { Term = 2 }).Restore());
        Assert.Equal(2, slice.Outbox.Only<Restored>().Key.Term);
        Assert.Equal((2, 0), (slice.State.Term, slice.State.Version));
    }

    [Fact]
    public void AnEvaluationOfAVersionProvesItsCommit()
    {
        var slice = TutorialSlice.After(steps: 1);
        slice.Receive(slice.Letters.Activation(1, TutorialSlice.H1, 0.6, Phase.Evaluate));
        Assert.Equal(1, slice.State.Version);
        slice.Receive(slice.Letters.Activation(1, TutorialSlice.H2, 0.5, Phase.Evaluate));
        Assert.Equal(Phase.Evaluate, slice.Outbox.Only<Activations>().Key.Phase);
    }

    [Fact]
    public void ReadingAVersionProvesItsCommit()
    {
        var slice = TutorialSlice.After(steps: 1);
        var parameters = slice.State.Read(slice.Letters.Key(1, Phase.Evaluate, PartId.Coordinator), 0, 1, slice.Outbox);
        Assert.Equal(1, slice.State.Version);
        Assert.NotEqual(0.40, parameters!.Weights.Values[0]);
        Assert.Null(slice.State.Read(slice.Letters.Key(3, Phase.Evaluate, PartId.Coordinator), 0, 1, slice.Outbox));
        slice.Outbox.Only<NeedRestore>();
    }

    [Theory]
    [InlineData(PartKind.Source)]
    [InlineData(PartKind.Slice)]
    [InlineData(PartKind.Loss)]
    public void APartWithoutStateAsksForOneWhateverItIsTold(PartKind kind)
    {
        var slice = new TutorialSlice();
        var letters = slice.Letters with { Term = 6 };
        Message[] messages = [letters.Advance(1), letters.Activation(4, TutorialSlice.H1, 0.6), letters.Slopes(1), letters.Evaluate(2)];
        foreach (var message in messages)
        {
            PartState part = kind switch
            {
                PartKind.Source => new SourceState(_ => throw new InvalidOperationException("data opened without a plan")),
                PartKind.Loss => new LossState(_ => throw new InvalidOperationException("data opened without a plan")),
                _ => new SliceState(PartId.Slice(2, 0), (_, _) => throw new InvalidOperationException("a checkpoint opened without a plan")),
            };
            part.Receive(message, slice.Outbox);
            var need = slice.Outbox.Only<NeedRestore>();
            Assert.Equal((part.Id, 6), (need.Key.From, need.Key.Term));
        }
    }

    private static double Logistic(double z) => 1 / (1 + Math.Exp(-z));
}
