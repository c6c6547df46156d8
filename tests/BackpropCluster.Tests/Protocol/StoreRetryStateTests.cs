using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>A store that does not answer pauses a run; one that refuses costs an attempt.</summary>
public class StoreRetryStateTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Fact]
    public void ARunPausesWithTheReasonAndAsksAgainEverySecond()
    {
        var run = Leading(out var asked);
        Fail(run, StoreFault.Unavailable, asked[^1]);
        Assert.Contains("the wire is cut", run.Coordinator.Paused, StringComparison.Ordinal);
        Assert.Single(asked);
        run.Coordinator.Tick(Second, run.Outbox);
        Assert.Equal(2, asked.Count);
        Fail(run, StoreFault.Unavailable, asked[^1]);
        run.Coordinator.Tick(1.5 * Second, run.Outbox);
        Assert.Equal(2, asked.Count);
        run.Coordinator.Tick(2 * Second, run.Outbox);
        Assert.Equal(3, asked.Count);
        Assert.Equal((RunStatus.Leading, 1), (run.Coordinator.Status, run.Coordinator.Recoveries));
    }

    // The deadline is for steps; a paused run waits for the store, and each recovery would ask it once more.
    [Fact]
    public void APauseIsNoStepThatMissesItsDeadline()
    {
        var run = Leading(out var asked);
        for (var second = 1; second <= 60; second++)
        {
            Fail(run, StoreFault.Unavailable, asked[^1]);
            run.Coordinator.Tick(second * Second, run.Outbox);
        }

        Assert.Equal((RunStatus.Leading, 1, 61), (run.Coordinator.Status, run.Coordinator.Recoveries, asked.Count));
    }

    [Fact]
    public void ARequestWhoseAnswerNeverComesIsMadeAgain()
    {
        var run = Leading(out var asked);
        Fail(run, StoreFault.Unavailable, asked[^1]);
        run.Coordinator.Tick(Second, run.Outbox);
        for (var second = 2; second < 20; second++)
            run.Coordinator.Tick(second * Second, run.Outbox);
        Assert.Equal(3, asked.Count);
    }

    [Fact]
    public void AfterTwoMinutesTheRunEndsAsFailed()
    {
        var run = Leading(out var asked);
        for (var second = 1; second <= 125 && run.Coordinator.Status == RunStatus.Leading; second++)
        {
            Fail(run, StoreFault.Unavailable, asked[^1]);
            run.Coordinator.Tick(second * Second, run.Outbox);
        }

        Assert.Equal((RunStatus.Failed, FailureKind.Store), (run.Coordinator.Status, run.Coordinator.Failure!.Kind));
        Assert.Contains("the wire is cut", run.Coordinator.Failure.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void AStoreThatRefusesToLeadARunEndsItAtOnce()
    {
        var run = Leading(out var asked);
        Fail(run, StoreFault.Refused, asked[^1]);
        Assert.Equal((RunStatus.Failed, FailureKind.Store), (run.Coordinator.Status, run.Coordinator.Failure!.Kind));
    }

    // A pause that outlived the outage would hold the deadline back: a message that is lost then would be missed by
    // nobody.
    [Fact]
    public void AStoreThatAnswersAgainEndsThePauseAlsoIfItRefuses()
    {
        var run = CoordinatorHarness.Saving();
        Assert.Equal(RunStatus.Saving, run.Coordinator.Status);
        var request = new SaveShard(run.Key(1, Phase.Save, ActorId.Coordinator), default, null!);
        Fail(run, StoreFault.Unavailable, request);
        Assert.NotNull(run.Coordinator.Paused);
        Fail(run, StoreFault.Refused, request);
        Assert.Equal((RunStatus.Training, null), (run.Coordinator.Status, run.Coordinator.Paused));
        // The first look at the clock after progress, and the deadline from there.
        run.Coordinator.Tick(Second, run.Outbox);
        run.Coordinator.Tick(Second + CoordinatorHarness.Deadline, run.Outbox);
        Assert.Equal(1, run.Coordinator.Recoveries);
    }

    /// <summary>A run that has asked the store to lead it again, and what it asked.</summary>
    private static CoordinatorHarness Leading(out List<Message> asked)
    {
        var run = CoordinatorHarness.After(steps: 1);
        run.Coordinator.Tick(TimeSpan.Zero, run.Outbox);
        var requests = new List<Message>();
        run.Outbox.Store = requests.Add;
        run.Receive(new NeedRestore(run.Key(2, Phase.Forward, ActorId.Loss)));
        asked = requests;
        return run;
    }

    private static void Fail(CoordinatorHarness run, StoreFault fault, Message request) =>
        run.Receive(new StoreFailed(request.Key with { From = ActorId.Store }, fault, "the wire is cut"));
}
