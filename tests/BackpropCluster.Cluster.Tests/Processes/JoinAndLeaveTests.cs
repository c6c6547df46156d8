using System.Globalization;

namespace BackpropCluster.Tests.Processes;

/// <summary>Silos that come and go in the middle of a run cost a move at a step boundary: no step is computed twice, no bit changes.</summary>
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
    public async Task TwiceASiloJoinsAndAnotherLeavesAndNoStepIsComputedTwice() => await JoinAndLeave(times: 2, TimeSpan.FromSeconds(10));

    [Fact, Trait("length", "long")]
    public async Task TenTimesASiloJoinsAndAnotherLeavesAndNoStepIsComputedTwice()
    {
        LongTime.Need();
        await JoinAndLeave(times: 10, TimeSpan.FromSeconds(50));
    }

    private async Task JoinAndLeave(int times, TimeSpan lasting)
    {
        var (watched, moves) = (new Watched(), 0);
        var file = await ProcessRuns.Lasting(cluster.Client.Grains, cluster.Folder, lasting);
        var training = ProcessRuns.TrainToTheReference(cluster.Client.Grains, file, watched.Take);
        await watched.Until(p => p.CommittedSteps > 0, "it began", training);
        for (var i = 0; i < times; i++)
        {
            var joins = await cluster.AddSilo();
            var (joined, staying) = (await cluster.PlacementNameOf(joins), watched.CoordinatorSilo);
            await watched.Until(p => p.Placement!.Uses(joined), $"{joins.Name} took its share", training);
            moves++;

            // By turns one that only holds parts, and the one that leads the run: that one hands the lead over, and moves nothing itself.
            var leads = i % 2 == 1;
            var leaves = await cluster.Find(async silo => silo != joins && (await cluster.PlacementNameOf(silo) == staying) == leads);
            var left = await cluster.PlacementNameOf(leaves);
            var ended = await cluster.Leave(leaves);
            Assert.Equal(0, ended.ExitCode);
            Assert.Contains($"silo {leaves.Name} has left\n", ended.Talk, StringComparison.Ordinal);
            await watched.Until(p => !p.Placement!.Uses(left), $"{leaves.Name} was rid of its parts", training);
            if (!leads) moves++;
        }

        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{times} joins and leaves within {watched.CommittedSteps} steps of {file.Spec.Training.Epochs} epochs"));
        var outcome = await training;
        Assert.Equal((0, 0), (watched.Recoveries, watched.ReplayedSteps));
        Assert.Equal((0, 0), (outcome.Last.Recoveries, outcome.Last.ReplayedSteps));
        Assert.True(watched.Moves >= moves, $"{watched.Moves} moves were told, at least {moves} were seen");
        Assert.Equal(3, cluster.Silos.Count);
    }
}
