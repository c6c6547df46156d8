using BackpropCluster.Core.Protocol;
using BackpropCluster.Tests.Protocol;

namespace BackpropCluster.Tests.Explorer;

/// <summary>Histories that the explorer found and shrank, message by message: what they broke stays mended.</summary>
public class FoundDefectTests
{
    // The request to lead took longer than the deadline, so a second one was made, which the store answered first. Then
    // the first one raised the term once more. In the term between, the next checkpoint would be fenced, by nobody but
    // the coordinator itself.
    [Fact]
    public void ACoordinatorWhoseOwnLateRequestRaisedTheTermLeadsAgain()
    {
        var run = CoordinatorHarness.After(steps: 2);
        run.Receive(Given(run, attempt: 1, term: 7));
        Assert.Equal((8, 1), (run.Outbox.Only<Restore>().Key.Term, run.Coordinator.Recoveries));
    }

    [Fact]
    public void ALateAnswerThatNamesALowerTermChangesNothing()
    {
        var run = CoordinatorHarness.After(steps: 2);
        run.Receive(Given(run, attempt: 1, term: 1));
        run.Outbox.AssertSilent();
        Assert.Equal((RunStatus.Training, 1), (run.Coordinator.Status, run.Coordinator.Term));
    }

    // The head was to be moved when the deadline passed; the store granted the new term first and refused the old one's
    // head after that.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void WhatTheStoreRefusesOfBeforeARecoveryDoesNotEndTheRun(bool isFenced)
    {
        var run = CoordinatorHarness.After(steps: 2);
        var asked = new List<Message>();
        run.Outbox.Store = asked.Add;
        run.Coordinator.Tick(TimeSpan.Zero, run.Outbox);
        run.Coordinator.Tick(CoordinatorHarness.Deadline, run.Outbox);
        Assert.Equal(RunStatus.Leading, run.Coordinator.Status);

        run.Receive(
            new StoreFailed(
                run.Key(2, Phase.Save, ActorId.Store),
                isFenced ? StoreFault.Fenced : StoreFault.Refused,
                "term 2 leads the run"
            )
        );
        Assert.Null(run.Coordinator.Failure);
        run.Receive(Given(run, attempt: asked.Single().Key.Step, term: 2));
        Assert.Equal(2, run.Outbox.Only<Restore>().Key.Term);
    }

    // Only a refusal of what is asked for now ends it.
    [Fact]
    public void ARefusedRequestToLeadEndsTheRunStill()
    {
        var run = CoordinatorHarness.After(steps: 2);
        var asked = new List<Message>();
        run.Outbox.Store = asked.Add;
        run.Receive(new NeedRestore(run.Key(3, Phase.Forward, ActorId.Loss)));
        run.Receive(
            new StoreFailed(asked.Single().Key with { From = ActorId.Store }, StoreFault.Fenced, "somebody else leads")
        );
        Assert.Equal(FailureKind.Fenced, run.Coordinator.Failure?.Kind);
    }

    private static LeadershipGranted Given(CoordinatorHarness run, int attempt, int term) =>
        new(run.Key(attempt, Phase.Forward, ActorId.Store) with { Term = term }, null, null, []);
}
