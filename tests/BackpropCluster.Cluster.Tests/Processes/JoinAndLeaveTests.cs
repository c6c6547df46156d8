namespace BackpropCluster.ClusterTests.Processes;

/// <summary>Silos that come and go in the middle of a run cost a move at a step boundary: no step is computed twice, no
/// bit changes.</summary>
[Collection(SharedCluster.Name)]
public sealed class JoinAndLeaveTests
{
    private readonly SharedCluster cluster;

    public JoinAndLeaveTests(SharedCluster cluster)
    {
        RedisServer.Need();
        this.cluster = cluster;
    }

    [Fact]
    public async Task TwiceASiloJoinsAndAnotherLeavesAndNoStepIsComputedTwice() => await JoinAndLeave(times: 2);

    [Fact, Trait("length", "long")]
    public async Task TenTimesASiloJoinsAndAnotherLeavesAndNoStepIsComputedTwice()
    {
        RequiresLongTests.Need();
        await JoinAndLeave(times: 10);
    }

    private async Task JoinAndLeave(int times)
    {
        await using var run = EndlessRun.Begin(cluster.Client.Grains, cluster.Folder);
        await run.Until(p => p.CommittedSteps > 0, "it began");
        var moves = 0;
        for (var i = 0; i < times; i++)
        {
            var joins = await cluster.AddSilo();
            var (joined, leading) = (await cluster.PlacementNameOf(joins), run.Watched.CoordinatorSilo);
            await run.Until(p => p.Placement!.Uses(joined), $"{joins.Name} took its share");
            moves++;

            // By turns one that only holds parts, and the one that leads the run: that one hands the lead over, and
            // moves nothing itself.
            var leads = i % 2 == 1;
            var leaves = await cluster.Find(async silo =>
                silo != joins && (await cluster.PlacementNameOf(silo) == leading) == leads
            );
            var left = await cluster.PlacementNameOf(leaves);
            var ended = await cluster.Leave(leaves);
            Assert.Equal(0, ended.ExitCode);
            Assert.Contains($"silo {leaves.Name} has left\n", ended.Talk, StringComparison.Ordinal);
            await run.Until(p => !p.Placement!.Silos.Contains(left), $"{leaves.Name} was rid of its parts");
            if (!leads)
                moves++;
        }

        var stepsThen = run.Watched.CommittedSteps;
        await run.Until(p => p.CommittedSteps > stepsThen + 20, "it went on");
        var last = await run.EndsAsTheReference();
        Assert.True(
            (run.Watched.Recoveries, run.Watched.ReplayedSteps) == (0, 0),
            $"{run.Watched.Recoveries} recoveries, {run.Watched.ReplayedSteps} replayed steps: {run.Watched.History}"
        );
        Assert.Equal((0, 0), (last.Recoveries, last.ReplayedSteps));
        Assert.True(
            run.Watched.Moves >= moves,
            $"{run.Watched.Moves} moves were told, at least {moves} were seen: {run.Watched.History}"
        );
        // Each change costs one term. Another would be a leader that was lost, and steps that were computed twice
        // without a word.
        Assert.True(
            last.Term == 1 + 2 * times,
            $"{2 * times} changes took {last.Term - 1} terms: {run.Watched.History}"
        );
        Assert.Equal(3, cluster.Silos.Count);
    }
}
