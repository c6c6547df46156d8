using BackpropCluster.Cli;
using BackpropCluster.Grains.Clustering;

namespace BackpropCluster.Tests.Processes;

/// <summary>Silos on one machine need no store: the first keeps the members, their folder the runs.</summary>
public sealed class LocalhostTests : IDisposable
{
    private readonly Backprop backprop = new();
    private readonly string url = $"localhost:{RedisServer.FreePort()}";

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task TwoSilosWithoutAStoreEndInTheSameHashAndOneMayLeave()
    {
        await using var first = await SiloProcess.Start(url, "first", backprop.Folder);
        await using var second = await SiloProcess.Start(url, "second", backprop.Folder);
        ProcessRuns.Write(backprop.Folder);
        var json = (await backprop.Run("train", "seven.yaml", "--set", "cluster.silos=2", "--cluster", url, "--json")).Json;
        Assert.Equal(2, json.GetProperty("silos").GetInt32());
        Assert.True(json.GetProperty("messages").GetProperty("remote").GetInt64() > 0, json.ToString());
        var file = RunFileLoader.Load(Path.Combine(backprop.Folder, "seven.yaml"), null);
        Assert.Equal(ProcessRuns.Reference(file).WeightsSha256, json.GetProperty("weightsSha256").GetString());

        await using var client = await ClusterClient.Connect(SharedCluster.AddressOf(url), TestContext.Current.CancellationToken);
        var watched = new Watched();
        var name = (await client.Silos()).Single(s => s.Name == "second").Silo;
        var longer = await ProcessRuns.Lasting(client.Grains, backprop.Folder, TimeSpan.FromSeconds(3));
        var training = ProcessRuns.TrainToTheReference(client.Grains, longer, watched.Take);
        await watched.Until(p => p.CommittedSteps > 100 && p.Placement!.Uses(name), "it has parts on the second silo", training);
        var left = await second.Leave();
        Assert.Equal((0, false), (left.ExitCode, training.IsCompleted));
        await training;
        Assert.Equal((0, 0), (watched.Recoveries, watched.ReplayedSteps));
        Assert.Equal(0, (await first.Leave()).ExitCode);

        // The runs stay where its silos kept them.
        var run = json.GetProperty("run").GetString()!;
        Assert.Contains(run, (await backprop.Run("runs", "list")).Output, StringComparison.Ordinal);
    }
}
