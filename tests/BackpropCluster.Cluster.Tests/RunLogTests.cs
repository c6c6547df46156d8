using System.Collections.Immutable;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.ClusterTests;

/// <summary>Who watches a run hears of each step once and in order, however many coordinators tell of it.</summary>
public class RunLogTests
{
    [Fact]
    public void ASecondCoordinatorThatTellsAllAgainBringsOnlyNews()
    {
        var log = new RunLog();
        Assert.Equal([1.0, 0.5], Losses(log.Take(Told([1, 0.5], [1]))));
        log.ReadAgain();
        var news = log.Take(Told([1, 0.5, 0.25], [1, 3]));
        Assert.Equal([0.25], Losses(news));
        Assert.Equal([3], news.NewEvaluations.Select(e => e.Version));
        Assert.Equal([1.0, 0.5, 0.25], log.Losses.Select(l => l.Loss));
    }

    // It began at an earlier checkpoint: until it has caught up there is nothing new.
    [Fact]
    public void OneThatIsBehindBringsNothingUntilItHasCaughtUp()
    {
        var log = new RunLog();
        log.Take(Told([1, 0.5, 0.25], []));
        log.ReadAgain();
        Assert.Empty(log.Take(Told([1], [])).NewLosses);
        Assert.Empty(log.Take(Told([0.5, 0.25], [])).NewLosses);
        Assert.Equal([0.125], Losses(log.Take(Told([0.125], []))));
    }

    [Fact]
    public void AScoreThatComesOutOtherwiseIsADivergence()
    {
        var log = new RunLog();
        log.Take(Told([1, 0.5], []));
        log.ReadAgain();
        Assert.Throws<DivergenceException>(() => log.Take(Told([1, 0.4], [])));
    }

    private static IEnumerable<double> Losses(RunProgress progress) => progress.NewLosses.Select(l => l.Loss);

    private static RunProgress Told(ImmutableArray<double> losses, ImmutableArray<int> evaluated) =>
        new()
        {
            Status = RunStatus.Training,
            Term = 1,
            CommittedSteps = losses.Length,
            Steps = 100,
            Epoch = 1,
            Recoveries = 0,
            ReplayedSteps = 0,
            StaleMessages = 0,
            Elapsed = TimeSpan.Zero,
            NewLosses = [.. losses.Select(l => new BatchMetrics(l, null, 4))],
            NewEvaluations = [.. evaluated.Select(v => new EvaluationMetrics(v, new BatchMetrics(0.5, null, 4)))],
        };
}
