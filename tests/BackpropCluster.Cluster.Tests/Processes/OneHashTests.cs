using BackpropCluster.Cli.RunFiles;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>Three silo processes end every run as one loop in one process does, however it is cut and placed.</summary>
[Collection(SharedCluster.Name)]
public sealed class OneHashTests
{
    private readonly SharedCluster cluster;

    public OneHashTests(SharedCluster cluster)
    {
        RedisServer.Need();
        this.cluster = cluster;
    }

    public static TheoryData<string, string> CutsAndPlacements()
    {
        var cases = new TheoryData<string, string>();
        foreach (var cut in new[] { "neuron", "3", "layer" })
        foreach (var (placement, _) in Words.Placements)
            cases.Add(cut, placement);
        return cases;
    }

    [Theory, MemberData(nameof(CutsAndPlacements))]
    public async Task DigitsEndInOneHash(string cut, string placement) =>
        await Train(
            ProcessRuns.Digits([.. Placed(cut, placement), "training.epochs=2", "data.microbatches=2"]),
            cut,
            placement
        );

    [Theory, MemberData(nameof(CutsAndPlacements))]
    public async Task AModelThatNoShardSizeDividesEndsInOneHash(string cut, string placement)
    {
        foreach (var classes in new[] { true, false })
            await Train(
                Cli.RunFiles.RunFileLoader.Load(ProcessRuns.Write(cluster.Folder, classes), Placed(cut, placement)),
                cut,
                placement
            );
    }

    private static string[] Placed(string cut, string placement) =>
        [$"cluster.granularity={cut}", $"cluster.placement={placement}"];

    private async Task Train(RunFile file, string cut, string placement)
    {
        var outcome = await ProcessRuns.TrainToTheReference(cluster.Client.Grains, file);
        Assert.Equal((0, 0, 0), (outcome.Last.Recoveries, outcome.Last.ReplayedSteps, outcome.Last.Moves));

        // Else the equal hash would tell nothing about arrays that cross.
        var together = placement == "pack" || (placement == "by-shard" && cut == "layer");
        Assert.Equal(together, outcome.Last.Placement!.SiloOfPart.Distinct().Count() == 1);
        Assert.Equal(together, outcome.Traffic is { Crossings: 0, RemoteBytes: 0, Remote: 0 });
    }
}
