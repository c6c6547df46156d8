using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>A coordinator whose own silo can hold no part of the run: it may lack the data. It knows its silo by
/// name.</summary>
public class OwnSiloTests
{
    // Taken for the coordinator's own, the first silo of the list would end the leadership when it leaves, and nobody
    // would lead on.
    [Fact]
    public void AnotherSiloThatLeavesGivesItsPartsAwayAndTheRunIsLedOn()
    {
        var run = CoordinatorHarness.From("own", "b", "c");
        run.AnswerRestored();
        run.Coordinator.Leave("b", run.Outbox);
        SaveStep(run, 1);
        Assert.Equal(RunStatus.Restoring, run.Coordinator.Status);
        Assert.False(run.Coordinator.Placement!.Uses("b"));
        run.AnswerRestored();
        Assert.Equal(RunStatus.Training, run.Coordinator.Status);
        Assert.True(run.Coordinator.IsRidOf("b"));
    }

    [Fact]
    public void ItsOwnSiloThatLeavesEndsTheLeadershipAtTheNextStep()
    {
        var run = CoordinatorHarness.From("own", "b", "c");
        run.AnswerRestored();
        run.Coordinator.Leave("own", run.Outbox);
        Assert.False(run.Coordinator.IsRidOf("own"));
        SaveStep(run, 1);
        Assert.Equal(RunStatus.HandedOver, run.Coordinator.Status);
        Assert.True(run.Coordinator.IsRidOf("own"));
        Assert.True(CoordinatorActor.IsVacant(run.Coordinator));
    }

    // A silo that is gone a moment after it was given parts costs a recovery; one that asks to be rid of them, a term.
    [Fact]
    public void TheNextLeaderBeginsWithoutTheSiloThatLeaves()
    {
        var run = CoordinatorHarness.From("own", "own", "b");
        run.AnswerRestored();
        run.Coordinator.Leave("own", run.Outbox);
        SaveStep(run, 1);
        var next = run.LedFrom("b", "b", "own");
        Assert.Equal(("b", false), (next.Coordinator.Placement!.SiloOf(0), next.Coordinator.Placement.Uses("own")));
        next.AnswerRestored();
        Assert.Equal((RunStatus.Training, true), (next.Coordinator.Status, next.Coordinator.IsRidOf("own")));
        next.Coordinator.MembersChanged(["b"], [], next.Outbox);
        Assert.Equal(RunStatus.Training, next.Coordinator.Status);
        Assert.Equal((0, 0), (next.Coordinator.Recoveries, next.Coordinator.Moves));
    }

    // What was being saved when it was asked tells the next leader nothing.
    [Fact]
    public void ASiloThatIsAskedForWhileARunIsSavedHandsItOverOneStepLater()
    {
        var run = CoordinatorHarness.From("own", "own", "b");
        run.AnswerRestored();
        run.CompleteStep(1);
        run.Outbox.Store = _ => { };
        run.AnswerSaved(1);
        run.Coordinator.Leave("own", run.Outbox);
        run.Receive(new CheckpointCommitted(run.Key(1, Phase.Save, ActorId.Store)));
        Assert.Equal((RunStatus.Training, 2), (run.Coordinator.Status, run.Coordinator.Step));
        run.CompleteStep(2);
        run.AnswerSaved(2);
        run.Receive(new CheckpointCommitted(run.Key(2, Phase.Save, ActorId.Store)));
        Assert.Equal(RunStatus.HandedOver, run.Coordinator.Status);
    }

    [Fact]
    public void APlacementNamesTheCoordinatorsSiloThoughItHoldsNothing()
    {
        var placement = CoordinatorHarness.From("own", "b", "c").Coordinator.Placement!;
        Assert.Equal(("own", false), (placement.CoordinatorSilo, placement.Uses("own")));
    }

    [Fact]
    public void WithoutASiloThatCanHoldPartsTheRunWaitsSaysWhyAndGoesOn()
    {
        var run = CoordinatorHarness.From("own");
        run.Coordinator.MembersChanged([], ["silo own cannot read d.csv"], run.Outbox);
        run.Outbox.AssertSilent();
        Assert.Equal("no silo of the cluster can hold its parts (silo own cannot read d.csv)", run.Coordinator.Paused);
        run.Coordinator.MembersChanged(["b"], [], run.Outbox);
        Assert.Equal("b", run.Outbox.Only<Restore>().Placement.SiloOf(0));
        Assert.Null(run.Coordinator.Paused);
    }

    [Fact]
    public void AWaitingRunIsGivenUpWithTheReasonAfterItsTime()
    {
        var run = CoordinatorHarness.From("own");
        run.Coordinator.MembersChanged([], ["silo own cannot read d.csv"], run.Outbox);
        run.Coordinator.Tick(run.Plan.GiveUpAfter, run.Outbox);
        Assert.Null(run.Coordinator.Failure);
        run.Coordinator.Tick(run.Plan.GiveUpAfter + TimeSpan.FromTicks(1), run.Outbox);
        Assert.Equal(FailureKind.Data, run.Coordinator.Failure!.Kind);
        Assert.Contains("silo own cannot read d.csv", run.Coordinator.Failure.Reason, StringComparison.Ordinal);
    }

    // A silo must be able to leave while its run waits for others, and so must a user who interrupts it.
    [Theory]
    [InlineData(true, RunStatus.Interrupted)]
    [InlineData(false, RunStatus.HandedOver)]
    public void AWaitingRunCanBeEnded(bool interrupts, RunStatus expected)
    {
        var run = CoordinatorHarness.From("own");
        if (interrupts)
            run.Coordinator.Interrupt();
        else
            run.Coordinator.Leave("own", run.Outbox);
        run.Coordinator.Tick(TimeSpan.FromSeconds(1), run.Outbox);
        Assert.Equal(expected, run.Coordinator.Status);
    }

    // The last one that could hold parts went while the store was asked for a term.
    [Fact]
    public void ATermThatIsGivenWhenNobodyIsLeftRestoresNobody()
    {
        var run = CoordinatorHarness.After(steps: 1);
        var asked = new List<Message>();
        run.Outbox.Store = asked.Add;
        run.Receive(new NeedRestore(run.Key(2, Phase.Forward, ActorId.Loss)));
        run.Coordinator.MembersChanged([], [], run.Outbox);
        run.Receive(new LeadershipGranted(asked[0].Key with { Term = 2, From = ActorId.Store }, null, null, []));
        Assert.DoesNotContain(run.Outbox.Sent, sent => sent.Message is Restore);
        Assert.NotNull(run.Coordinator.Paused);
    }

    [Fact]
    public void ASiloThatRefusesToBringTheRowsIsDoneWithout()
    {
        var run = CoordinatorHarness.From("own", "b", "c");
        run.AnswerRestored();
        run.Outbox.Sent.Clear();
        run.Receive(Refusal(run, "b"));
        var restore = run.Outbox.Only<Restore>();
        Assert.Equal((2, false), (restore.Key.Term, restore.Placement.Uses("b")));
        // Of the term before: it is asked again, if it has a part.
        run.Receive(Refusal(run, "c") with { Key = run.Key(1, Phase.Forward, ActorId.Exchange(1)) with { Term = 1 } });
        Assert.Equal(RunStatus.Restoring, run.Coordinator.Status);
    }

    [Fact]
    public void ARunWhoseRowsNoSiloHasEndsWithTheLastRefusal()
    {
        var run = CoordinatorHarness.From("own", "b");
        run.Receive(Refusal(run, "b"));
        Assert.Equal(
            (FailureKind.Data, "silo b: d.csv: other rows"),
            (run.Coordinator.Failure!.Kind, run.Coordinator.Failure.Reason)
        );
    }

    private static Failure Refusal(CoordinatorHarness run, string silo) =>
        new(run.Key(1, Phase.Forward, ActorId.Exchange(0)), FailureKind.Data, $"silo {silo}: d.csv: other rows")
        {
            Silo = silo,
        };

    private static void SaveStep(CoordinatorHarness run, int step)
    {
        run.Outbox.Sent.Clear();
        run.CompleteStep(step);
        run.AnswerSaved(step);
    }
}
