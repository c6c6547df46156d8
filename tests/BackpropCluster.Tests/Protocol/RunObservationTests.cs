using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>What a coordinator says of its run: each thing once, in the order in which it happened, and with its
/// reason.</summary>
public class RunObservationTests
{
    [Fact]
    public void AStepIsBegunReportedAndCommitted()
    {
        var run = CoordinatorHarness.Started();
        run.AnswerRestored();
        run.Outbox.Observations.Clear();
        run.CompleteStep(1);
        Assert.Equal([typeof(LossReported), typeof(StepCommitted), typeof(StepBegun)], Told(run));
        var committed = Assert.Single(run.Outbox.Observations.OfType<StepCommitted>());
        Assert.Equal((1, false), (committed.Key.Step, committed.IsReplayed));
    }

    [Fact]
    public void ARunBeginsWithARestore()
    {
        var run = CoordinatorHarness.From("own", "own", "b");
        run.AnswerRestored();
        Assert.Equal([typeof(RestoreBegun), typeof(RestoreDone), typeof(StepBegun)], Told(run));
    }

    [Fact]
    public void ARecoveryNamesTheSiloThatWasLostAndWhatTheRunWasDoing()
    {
        var run = CoordinatorHarness.From("own", "own", "b");
        run.AnswerRestored();
        run.Coordinator.MembersChanged(["own"], [], run.Outbox);
        var recovery = Assert.Single(run.Outbox.Observations.OfType<RecoveryBegun>());
        Assert.Equal(
            (RecoveryCause.Change, RunStatus.Training, "b lost"),
            (recovery.Cause, recovery.During, recovery.Reason)
        );
        Assert.Equal("at step 1, Training: b lost", run.Coordinator.LastRecovery);
    }

    [Fact]
    public void ARecoveryThatWasAskedForNamesWhoAsked()
    {
        var run = CoordinatorHarness.From("own", "own", "b");
        run.AnswerRestored();
        var step = Assert.Single(run.Outbox.Observations.OfType<StepBegun>());
        run.Coordinator.Receive(new NeedRestore(step.Key with { From = ActorId.Shard(1, 0) }), run.Outbox);
        Assert.Equal(
            "shard 0 of layer 1 asked for it",
            Assert.Single(run.Outbox.Observations.OfType<RecoveryBegun>()).Reason
        );
    }

    [Fact]
    public void ARecoveryAtTheDeadlineSaysForHowLongNothingWasHeard()
    {
        var run = CoordinatorHarness.From("own", "own", "b");
        run.AnswerRestored();
        run.Coordinator.Tick(TimeSpan.Zero, run.Outbox);
        run.Coordinator.Tick(TimeSpan.FromHours(1), run.Outbox);
        var recovery = Assert.Single(run.Outbox.Observations.OfType<RecoveryBegun>());
        Assert.Equal(RecoveryCause.Deadline, recovery.Cause);
        Assert.Matches(@"^nothing was heard for \d+(\.\d)? s$", recovery.Reason);
    }

    // A store that fails again and again is one pause, and its end is told once.
    [Fact]
    public void APauseIsToldOnceAndItsEndToo()
    {
        var run = CoordinatorHarness.From("own", "own", "b");
        run.AnswerRestored();
        run.Coordinator.Leave("own", run.Outbox);
        run.Outbox.Store = _ => { };
        run.CompleteStep(1);
        run.AnswerSaved(1);
        var save = Assert.Single(run.Outbox.Observations.OfType<SaveBegun>());
        for (var i = 0; i < 3; i++)
            run.Coordinator.Receive(
                new StoreFailed(save.Key with { From = ActorId.Store }, StoreFault.Unavailable, "away"),
                run.Outbox
            );
        Assert.Single(run.Outbox.Observations.OfType<RunPaused>());
        Assert.Empty(run.Outbox.Observations.OfType<RunResumed>());
        run.Coordinator.Receive(new CheckpointCommitted(save.Key with { From = ActorId.Store }), run.Outbox);
        Assert.Single(run.Outbox.Observations.OfType<RunResumed>());
        Assert.Single(run.Outbox.Observations.OfType<CheckpointSaved>());
        Assert.Equal(RunStatus.HandedOver, Assert.Single(run.Outbox.Observations.OfType<RunEnded>()).Status);
    }

    private static IEnumerable<Type> Told(CoordinatorHarness run) => run.Outbox.Observations.Select(o => o.GetType());
}
