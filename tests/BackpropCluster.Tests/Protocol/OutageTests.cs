using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>A store that does not answer pauses a run; one that refuses costs an attempt.</summary>
public class OutageTests
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
        for (var second = 2; second < 20; second++) run.Coordinator.Tick(second * Second, run.Outbox);
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

    /// <summary>A run that has asked the store to lead it again, and what it asked.</summary>
    private static LedRun Leading(out List<Message> asked)
    {
        var run = LedRun.After(steps: 1);
        run.Coordinator.Tick(TimeSpan.Zero, run.Outbox);
        var requests = new List<Message>();
        run.Outbox.Store = requests.Add;
        run.Receive(new NeedRestore(run.Key(2, Phase.Forward, PartId.Loss)));
        asked = requests;
        return run;
    }

    private static void Fail(LedRun run, StoreFault fault, Message request) =>
        run.Receive(new StoreFailed(request.Key with { From = PartId.Store }, fault, "the wire is cut"));
}
