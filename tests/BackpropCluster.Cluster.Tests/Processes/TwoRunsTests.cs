namespace BackpropCluster.ClusterTests.Processes;

/// <summary>Two runs of one cluster do not meet: each ends in the bits of one that is alone, also when a silo of both
/// dies.</summary>
[Collection(SharedCluster.Name)]
public sealed class TwoRunsTests
{
    private readonly SharedCluster cluster;

    public TwoRunsTests(SharedCluster cluster)
    {
        RedisServer.Need();
        this.cluster = cluster;
    }

    [Fact]
    public async Task ASiloThatHoldsPartsOfBothIsKilledAndBothEndAsTheReference()
    {
        await using var one = EndlessRun.Begin(
            cluster.Client.Grains,
            cluster.Folder,
            "training.checkpoint_every=50",
            "cluster.granularity=1"
        );
        await using var other = EndlessRun.Begin(
            cluster.Client.Grains,
            cluster.Folder,
            "training.checkpoint_every=50",
            "cluster.granularity=1",
            "seed=8",
            "data.scale=standard"
        );
        await one.Until(p => p.CommittedSteps > 100, "the first had committed 100 steps");
        await other.Until(p => p.CommittedSteps > 100, "the second had committed 100 steps");
        var victim = cluster.Silos[^1];
        await victim.Process.Kill();
        cluster.Silos.Remove(victim);
        await cluster.AddSilo();
        var (first, second) = (one.Watched.CommittedSteps, other.Watched.CommittedSteps);
        await one.Until(p => p.CommittedSteps > first + 100, "the first had gone on");
        await other.Until(p => p.CommittedSteps > second + 100, "the second had gone on");
        await one.EndsAsTheReference();
        await other.EndsAsTheReference();
    }
}
