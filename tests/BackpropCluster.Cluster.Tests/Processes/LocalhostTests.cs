using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Grains.Clustering;

namespace BackpropCluster.ClusterTests.Processes;

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
        var json = (
            await backprop.Run("train", "seven.yaml", "--set", "cluster.silos=2", "--cluster", url, "--json")
        ).Json;
        Assert.Equal(2, json.GetProperty("silos").GetInt32());
        Assert.True(json.GetProperty("messages").GetProperty("remote").GetInt64() > 0, json.ToString());
        var file = RunFileLoader.Load(Path.Combine(backprop.Folder, "seven.yaml"), null);
        Assert.Equal(ProcessRuns.Reference(file).WeightsSha256, json.GetProperty("weightsSha256").GetString());

        await using var client = await ClusterClient.Connect(
            SharedCluster.AddressOf(url),
            TestContext.Current.CancellationToken
        );
        var name = (await client.Silos(TestContext.Current.CancellationToken)).Single(s => s.Name == "second").Silo;
        await using (var longer = EndlessRun.Begin(client.Grains, backprop.Folder))
        {
            await longer.Until(
                p => p.CommittedSteps > 20 && p.Placement!.Uses(name),
                "it has parts on the second silo"
            );
            Assert.Equal((0, false), ((await second.Leave()).ExitCode, longer.IsOver));
            await longer.Until(p => !p.Placement!.Uses(name), "it has none there any more");
            await longer.EndsAsTheReference();
            Assert.Equal((0, 0), (longer.Watched.Recoveries, longer.Watched.ReplayedSteps));
        }

        Assert.Equal(0, (await first.Leave()).ExitCode);

        // The runs stay where its silos kept them.
        var run = json.GetProperty("run").GetString()!;
        Assert.Contains(run, (await backprop.Run("runs", "list")).Output, StringComparison.Ordinal);
    }
}
