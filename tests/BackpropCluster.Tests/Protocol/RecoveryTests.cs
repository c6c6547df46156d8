using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>The coordinator when something goes wrong: one path for everything.</summary>
public class RecoveryTests
{
    [Fact]
    public void APartThatNeedsAStateRaisesTheTermAndRestoresEveryone()
    {
        var run = CoordinatorHarness.After(steps: 2);
        run.Receive(new NeedRestore(run.Key(3, Phase.Forward, ActorId.Shard(2, 1))));
        Assert.Equal(Recipients.Everyone, run.Outbox.Sent[0].To);
        Assert.Equal(2, run.Outbox.Only<Restore>().Key.Term);
        Assert.Equal((RunStatus.Restoring, 1), (run.Coordinator.Status, run.Coordinator.Recoveries));
    }

    [Fact]
    public void AReplayCountsItsStepsAndGoesOn()
    {
        var run = Recovering(steps: 2);
        run.AnswerRestored();
        Assert.Equal(1, run.Outbox.Only<Advance>().Key.Step);
        for (var step = 1; step <= 3; step++)
            run.CompleteStep(step);
        Assert.Equal((3, 2), (run.Coordinator.CommittedSteps, run.Coordinator.ReplayedSteps));
        Assert.Equal([1.0, 1.0 / 2, 1.0 / 3], run.Coordinator.Losses.Select(l => l.Loss));
    }

    [Fact]
    public void AReplayedLossThatDiffersInOneBitEndsTheRun()
    {
        var run = Recovering(steps: 2);
        run.AnswerRestored();
        run.CompleteStep(1);
        run.AnswerReady(2);
        run.ReportLoss(2, Math.BitIncrement(0.5));
        Assert.Equal(
            (RunStatus.Failed, FailureKind.Divergence),
            (run.Coordinator.Status, run.Coordinator.Failure!.Kind)
        );
        Assert.Equal(
            "the loss of step 2 was 0.5 before and 0.5000000000000001 when computed again",
            run.Coordinator.Failure.Reason
        );
    }

    [Fact]
    public void AReplayedEvaluationThatDiffersEndsTheRunAsWell()
    {
        // Recovered in the moment between the evaluation after epoch 1 and the end of the only step of epoch 2.
        var run = CoordinatorHarness.EvaluatingEachEpoch(epochs: 2);
        run.CompleteStep(1);
        run.ReportEvaluation(1, 0.25);
        run.Receive(new NeedRestore(run.Key(2, Phase.Forward, ActorId.Loss)));
        run.AnswerRestored();
        run.CompleteStep(1);
        run.ReportEvaluation(1, 0.26);
        Assert.Equal(
            (RunStatus.Failed, FailureKind.Divergence),
            (run.Coordinator.Status, run.Coordinator.Failure!.Kind)
        );
        Assert.Contains("the evaluation of version 1", run.Coordinator.Failure.Reason, StringComparison.Ordinal);
    }

    // Several parts ask at once for the same reason; one recovery answers all of them.
    [Fact]
    public void WhatBelongsToTheOldTermIsDroppedAndCounted()
    {
        var run = CoordinatorHarness.After(steps: 0);
        var old = run.Key(1, Phase.Backward, ActorId.Shard(1, 0));
        run.Receive(new NeedRestore(old));
        run.Outbox.Sent.Clear();
        run.Receive(new NeedRestore(old));
        run.Receive(new Failure(old, FailureKind.Defect, "of the old term"));
        run.Receive(new Ready(old));
        run.Outbox.AssertSilent();
        Assert.Equal(
            (RunStatus.Restoring, 3, 1),
            (run.Coordinator.Status, run.Coordinator.StaleMessages, run.Coordinator.Recoveries)
        );
    }

    [Fact]
    public void AMessageOfAnotherRunIsDroppedAndCounted()
    {
        var run = CoordinatorHarness.After(steps: 0);
        run.Receive(new NeedRestore(run.Key(1, Phase.Forward, ActorId.Loss) with { Run = 43 }));
        run.Outbox.AssertSilent();
        Assert.Equal(1, run.Coordinator.StaleMessages);
    }

    [Fact]
    public void FiveRecoveriesWithoutANewStepAreTriedAndTheSixthEndsTheRun()
    {
        var run = CoordinatorHarness.After(steps: 2);
        for (var recovery = 1; recovery <= 5; recovery++)
        {
            run.Receive(new NeedRestore(run.Key(3, Phase.Forward, ActorId.Loss)));
            Assert.Equal(1 + recovery, run.Outbox.Only<Restore>().Key.Term);
            run.AnswerRestored();
            run.CompleteStep(1); // replayed, so no progress in this sense
            run.Outbox.Sent.Clear();
        }

        run.Receive(new NeedRestore(run.Key(2, Phase.Forward, ActorId.Loss)));
        run.Outbox.AssertSilent();
        Assert.Equal((RunStatus.Failed, FailureKind.Lost), (run.Coordinator.Status, run.Coordinator.Failure!.Kind));
    }

    // Silos that are lost one after the other, each within the recovery from the one before: the run only needs
    // patience.
    [Fact]
    public void LostSilosAreNotCountedAsRecoveriesInVain()
    {
        string[] silos = [.. Enumerable.Range(0, 12).Select(i => $"silo-{i:00}")];
        var run = CoordinatorHarness.Started(rounds: 10, [.. silos]);
        for (var lost = 1; lost <= 11; lost++)
            run.Coordinator.MembersChanged([.. silos[lost..]], [], run.Outbox);
        Assert.Equal(RunStatus.Restoring, run.Coordinator.Status);
        run.AnswerRestored();
        Assert.Equal(RunStatus.Training, run.Coordinator.Status);
    }

    // On machines that are merely slow each attempt gets longer than the one before, until the time to give up has
    // passed.
    [Fact]
    public void EachRecoveryByTheDeadlineDoublesItAndTheRunIsGivenUpByTime()
    {
        var run = CoordinatorHarness.After(steps: 1);
        var recovered = new List<double>();
        for (var second = 0; run.Coordinator.Failure is null && second < 3600; second++)
        {
            var before = run.Coordinator.Recoveries;
            run.Coordinator.Tick(TimeSpan.FromSeconds(second), run.Outbox);
            if (run.Coordinator.Recoveries > before)
                recovered.Add(second);
        }

        // A new attempt's time counts from the first tick that saw it begin: one second later here.
        Assert.Equal([10, 31, 72, 153], recovered);
        Assert.Equal(FailureKind.Lost, run.Coordinator.Failure!.Kind);
        Assert.Contains(
            "no new step was committed within 5 minutes",
            run.Coordinator.Failure.Reason,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void ANewStepForgivesTheRecoveriesBefore()
    {
        var run = CoordinatorHarness.After(steps: 0, rounds: 10);
        for (var recovery = 1; recovery <= 7; recovery++)
        {
            run.Receive(new NeedRestore(run.Key(run.Coordinator.Step, Phase.Forward, ActorId.Loss)));
            run.AnswerRestored();
            for (var step = 1; step <= recovery; step++)
                run.CompleteStep(step);
        }

        Assert.Equal(
            (RunStatus.Training, 7, 7),
            (run.Coordinator.Status, run.Coordinator.CommittedSteps, run.Coordinator.Recoveries)
        );
    }

    [Fact]
    public void ALostSiloRaisesTheTermAndOnlyItsPartsMove()
    {
        var run = CoordinatorHarness.After(steps: 1);
        var before = run.Coordinator.Placement!;
        Assert.Equal(
            ["a", "b", "c"],
            Enumerable.Range(0, run.Plan.ActorCount).Select(before.SiloOf).Distinct().Order()
        );

        run.Coordinator.MembersChanged(["a", "c"], [], run.Outbox);

        var restore = run.Outbox.Only<Restore>();
        Assert.Equal(2, restore.Key.Term);
        for (var part = 0; part < run.Plan.ActorCount; part++)
            if (before.SiloOf(part) == "b")
                Assert.NotEqual("b", restore.Placement.SiloOf(part));
            else
                Assert.Equal(before.SiloOf(part), restore.Placement.SiloOf(part));
    }

    [Fact]
    public void ASiloThatHeldNothingMayLeaveAndANewOneMayCome()
    {
        var run = CoordinatorHarness.After(steps: 1);
        run.Coordinator.MembersChanged(["a", "b", "c", "d"], [], run.Outbox);
        run.Coordinator.MembersChanged(["c", "b", "a"], [], run.Outbox);
        run.Outbox.AssertSilent();
        Assert.Equal(1, run.Coordinator.Term);
    }

    [Fact]
    public void ASiloThatCameTakesPartsAtTheNextRecovery()
    {
        var run = CoordinatorHarness.After(steps: 1);
        run.Coordinator.MembersChanged(["a", "c", "d"], [], run.Outbox);
        var placement = run.Outbox.Only<Restore>().Placement;
        Assert.Contains("d", Enumerable.Range(0, run.Plan.ActorCount).Select(placement.SiloOf));
    }

    // Nothing can be placed then, but ticks go on; the run waits for a member or ends as lost, and no exception kills
    // its leader.
    [Fact]
    public void WithoutAnySiloATickDoesNotThrow()
    {
        var run = CoordinatorHarness.After(steps: 1);
        run.Coordinator.MembersChanged([], [], run.Outbox);
        run.Coordinator.Tick(TimeSpan.Zero, run.Outbox);
        run.Coordinator.Tick(CoordinatorHarness.Deadline, run.Outbox);
        run.Coordinator.MembersChanged(["d"], [], run.Outbox);
        Assert.Equal("d", run.Outbox.All<Restore>()[^1].Placement.SiloOf(0));
    }

    [Fact]
    public void WithoutProgressForTheDeadlineTheStepIsRecovered()
    {
        var run = CoordinatorHarness.After(steps: 1);
        var start = TimeSpan.FromHours(3);
        run.Coordinator.Tick(start, run.Outbox);
        run.Coordinator.Tick(start + CoordinatorHarness.Deadline - TimeSpan.FromTicks(1), run.Outbox);
        run.Outbox.AssertSilent();
        run.Coordinator.Tick(start + CoordinatorHarness.Deadline, run.Outbox);
        Assert.Equal(2, run.Outbox.Only<Restore>().Key.Term);
    }

    [Fact]
    public void OneAnswerPutsTheDeadlineOff()
    {
        var run = CoordinatorHarness.After(steps: 1);
        run.Coordinator.Tick(TimeSpan.Zero, run.Outbox);
        run.Receive(new Ready(run.Key(2, Phase.Backward, ActorId.Exchange(0))));
        run.Coordinator.Tick(CoordinatorHarness.Deadline, run.Outbox);
        run.Coordinator.Tick(2 * CoordinatorHarness.Deadline - TimeSpan.FromTicks(1), run.Outbox);
        run.Outbox.AssertSilent();
        run.Coordinator.Tick(2 * CoordinatorHarness.Deadline, run.Outbox);
        run.Outbox.Only<Restore>();
    }

    [Fact]
    public void ARestoreThatNobodyAnswersIsRepeatedInAHigherTerm()
    {
        var run = CoordinatorHarness.Started();
        run.Outbox.Sent.Clear();
        run.Coordinator.Tick(TimeSpan.Zero, run.Outbox);
        run.Coordinator.Tick(CoordinatorHarness.Deadline, run.Outbox);
        Assert.Equal(2, run.Outbox.Only<Restore>().Key.Term);
    }

    // "The higher number is simply taken": a Restore of a lower term than the part's would be dropped there, in
    // silence.
    [Fact]
    public void APartOfAHigherTermIsRestoredInAHigherOneStill()
    {
        var run = CoordinatorHarness.After(steps: 1);
        run.Receive(new NeedRestore(run.Key(2, Phase.Forward, ActorId.Loss) with { Term = 7 }));
        Assert.Equal(8, run.Outbox.Only<Restore>().Key.Term);
    }

    // The store answers to the run. A coordinator that took what was given to the one before it, or beside it, would
    // lead a term that is somebody else's, or that the store has left behind: it would be fenced at its next checkpoint
    // though nobody else leads.
    [Fact]
    public void ATermThatWasGivenToAnotherCoordinatorIsNotLedIn()
    {
        var run = CoordinatorHarness.Started();
        var outbox = new RecordingOutbox();
        var second = new CoordinatorActor(run.Plan, term: 0, "b", ["b"], CoordinatorHarness.Deadline, attempts: 1000);
        second.Start(outbox);
        var asked = outbox.Only<AcquireLeadership>();
        second.Receive(new LeadershipGranted(run.Key(1, Phase.Forward, ActorId.Store), null, null, []), outbox);
        outbox.AssertSilent();
        second.Receive(
            new LeadershipGranted(asked.Key with { Term = 2, From = ActorId.Store }, null, null, []),
            outbox
        );
        Assert.Equal(2, outbox.Only<Restore>().Key.Term);
    }

    // Answered with a request of its own, two coordinators would chase each other from term to term, and neither would
    // ever commit a step.
    [Fact]
    public void ATermThatAnotherCoordinatorWasGivenIsNotOutbid()
    {
        var run = CoordinatorHarness.Started();
        var outbox = new RecordingOutbox();
        var second = new CoordinatorActor(run.Plan, term: 0, "b", ["b"], CoordinatorHarness.Deadline, attempts: 1000);
        second.Start(outbox);
        second.Receive(
            new LeadershipGranted(
                outbox.Only<AcquireLeadership>().Key with
                {
                    Term = 2,
                    From = ActorId.Store,
                },
                null,
                null,
                []
            ),
            outbox
        );
        outbox.Sent.Clear();
        second.Receive(
            new LeadershipGranted(run.Key(1, Phase.Forward, ActorId.Store) with { Term = 3 }, null, null, []),
            outbox
        );
        outbox.AssertSilent();
        Assert.Equal((2, RunStatus.Restoring), (second.Term, second.Status));
    }

    // It answers another leader's Advance; counted here, a step would be committed that this term's shards never
    // computed.
    [Fact]
    public void AReadyOfAHigherTermDoesNotCountForThisOne()
    {
        var run = CoordinatorHarness.After(steps: 0);
        run.ReportLoss(1, 0.5);
        foreach (var shard in run.Plan.Actors.Where(p => p.Kind == ActorRole.Shard))
            run.Receive(new Ready(run.Key(1, Phase.Backward, shard) with { Term = 7 }));
        Assert.Equal(0, run.Coordinator.CommittedSteps);
    }

    private static CoordinatorHarness Recovering(int steps)
    {
        var run = CoordinatorHarness.After(steps);
        run.Receive(new NeedRestore(run.Key(steps + 1, Phase.Forward, ActorId.Loss)));
        run.Outbox.Sent.Clear();
        return run;
    }
}
