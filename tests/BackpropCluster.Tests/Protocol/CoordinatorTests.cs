using BackpropCluster.Core;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>The coordinator while nothing goes wrong.</summary>
public class CoordinatorTests
{
    [Fact]
    public void ItBeginsWithARestoreOfTermOneToEveryone()
    {
        var run = CoordinatorHarness.Started();
        Assert.Equal(Recipients.Everyone, run.Outbox.Sent[0].To);
        var restore = run.Outbox.Only<Restore>();
        Assert.Equal((1, run.Plan), (restore.Key.Term, restore.Plan));
        Assert.Equal(run.Plan.ActorCount, restore.Placement.SiloOfPart.Length);
        Assert.Equal(RunStatus.Restoring, run.Coordinator.Status);
    }

    // Otherwise a message of step 1 could meet a shard that is still loading.
    [Fact]
    public void TheFirstStepWaitsForTheLastAnswer()
    {
        var run = CoordinatorHarness.Started();
        run.Outbox.Sent.Clear();
        var exchanges = run.Exchanges(_ => true);
        Assert.Equal(3, exchanges.Count);
        foreach (var exchange in exchanges.SkipLast(1))
        {
            run.Receive(new Restored(run.Key(1, Phase.Forward, exchange)));
            run.Receive(new Restored(run.Key(1, Phase.Forward, exchange)));
        }

        run.Outbox.AssertSilent();
        run.Receive(new Restored(run.Key(1, Phase.Forward, exchanges[^1])));
        Assert.Equal(1, run.Outbox.Only<Advance>().Key.Step);
        Assert.Equal(RunStatus.Training, run.Coordinator.Status);
    }

    [Fact]
    public void AStepIsCommittedWhenEveryShardIsReadyAndTheLossReported()
    {
        var run = CoordinatorHarness.After(steps: 0);
        run.AnswerReady(1);
        run.Outbox.AssertSilent();
        Assert.Equal(0, run.Coordinator.CommittedSteps);
        run.ReportLoss(1, 0.5);
        Assert.Equal(2, run.Outbox.Only<Advance>().Key.Step);
        Assert.Equal([0.5], run.Coordinator.Losses.Select(l => l.Loss));
    }

    [Fact]
    public void TheReportMayComeFirst()
    {
        var run = CoordinatorHarness.After(steps: 0);
        run.ReportLoss(1, 0.5);
        run.Outbox.AssertSilent();
        run.AnswerReady(1);
        Assert.Equal(2, run.Outbox.Only<Advance>().Key.Step);
    }

    [Fact]
    public void ASiloThatIsReadyTwiceCountsOnce()
    {
        var run = CoordinatorHarness.After(steps: 0);
        run.ReportLoss(1, 0.5);
        for (var i = 0; i < run.Plan.ShardCount; i++)
            run.Receive(new Ready(run.Key(1, Phase.Backward, ActorId.Exchange(0))));
        run.Outbox.AssertSilent();
        Assert.Equal(0, run.Coordinator.CommittedSteps);
    }

    [Fact]
    public void AReadyOfAnotherStepOrAnUnknownSiloCountsNothing()
    {
        var run = CoordinatorHarness.After(steps: 1);
        run.ReportLoss(2, 0.5);
        run.AnswerReady(1);
        run.AnswerReady(3);
        for (var i = 0; i < 4; i++)
        {
            run.Receive(new Ready(run.Key(2, Phase.Backward, ActorId.Exchange(3 + i))));
            run.Receive(new Ready(run.Key(2, Phase.Backward, ActorId.Shard(1, i))));
        }

        run.Outbox.AssertSilent();
        Assert.Equal(1, run.Coordinator.CommittedSteps);
    }

    [Fact]
    public void AfterTheLastStepItEvaluatesAndIsComplete()
    {
        var run = CoordinatorHarness.After(steps: 2, rounds: 2);
        Assert.Equal(RunStatus.Evaluating, run.Coordinator.Status);
        run.ReportEvaluation(2, 0.25);
        Assert.Equal(RunStatus.Completed, run.Coordinator.Status);
        Assert.Equal([new EvaluationMetrics(2, new BatchMetrics(0.25, null, 1))], run.Coordinator.Evaluations);
        Assert.Equal([1.0, 0.5], run.Coordinator.Losses.Select(l => l.Loss));
    }

    [Fact]
    public void TheEvaluationAsksTheSourceForTheCommittedVersion()
    {
        var run = CoordinatorHarness.After(steps: 1, rounds: 2);
        run.CompleteStep(2);
        Assert.Equal(Recipients.Source, run.Outbox.Sent[0].To);
        Assert.Equal((2, Phase.Evaluate), run.Outbox.Only<Evaluate>() is var e ? (e.Key.Step, e.Key.Phase) : default);
    }

    [Fact]
    public void AfterTheEndEverythingIsIgnored()
    {
        var run = CoordinatorHarness.After(steps: 2, rounds: 2);
        run.ReportEvaluation(2, 0.25);
        run.Receive(new Failure(run.Key(2, Phase.Forward, ActorId.Loss), FailureKind.Defect, "too late"));
        run.Receive(new NeedRestore(run.Key(2, Phase.Forward, ActorId.Loss)));
        run.CompleteStep(3);
        run.Coordinator.MembersChanged(["b"], [], run.Outbox);
        run.Coordinator.Tick(TimeSpan.Zero, run.Outbox);
        run.Coordinator.Tick(TimeSpan.FromDays(1), run.Outbox);
        run.Outbox.AssertSilent();
        Assert.Equal(
            (RunStatus.Completed, 2, 1),
            (run.Coordinator.Status, run.Coordinator.CommittedSteps, run.Coordinator.Term)
        );
        Assert.Null(run.Coordinator.Failure);
    }

    [Fact]
    public void AFailureOfAPartEndsTheRunWithItsReason()
    {
        var run = CoordinatorHarness.After(steps: 1);
        run.Receive(new Failure(run.Key(2, Phase.Forward, ActorId.Shard(1, 0)), FailureKind.NotFinite, "a net is NaN"));
        Assert.Equal(RunStatus.Failed, run.Coordinator.Status);
        Assert.Equal(
            (FailureKind.NotFinite, "a net is NaN"),
            (run.Coordinator.Failure!.Kind, run.Coordinator.Failure.Reason)
        );
        run.Outbox.AssertSilent();
    }

    [Theory]
    [InlineData(3, 2, 4)]
    [InlineData(0, 0, 0)]
    public void OnlyTheStepsOfTheTraceSpecCarryATrace(int first, int every, int sampled)
    {
        var spec = new TraceSpec(first, every);
        Assert.Equal(sampled, Enumerable.Range(1, 5).Count(spec.Samples));
    }
}
