using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>A cluster whose silos are all killed goes on with its runs when silos are there again.</summary>
public sealed class RestartTests : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);
    private readonly Backprop backprop = new();

    public RestartTests() => RedisServer.Need();

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task AClusterThatIsKilledAndStartedAgainGoesOnWithItsRunByItself()
    {
        await using var redis = await RedisServer.Start();
        var (url, folder) = (redis.Url(), backprop.Folder);
        var file = RunFileLoader.Load(
            ProcessRuns.Write(folder),
            ["training.epochs=800", "training.checkpoint_every=300", "cluster.silos=2"]
        );
        var plan = ProcessRuns.Plan(file);
        await KillInTheMiddle(url, file, plan);

        await using var first = await SiloProcess.Start(url, "first-again", folder);
        await using var second = await SiloProcess.Start(url, "second-again", folder);
        await using var client = await ClusterClient.Connect(
            SharedCluster.AddressOf(url),
            TestContext.Current.CancellationToken
        );
        await EndsByItself(client, plan.Run);

        // Only read: the run is complete. Its leader was a new one, which began at a checkpoint.
        var outcome = await ProcessRuns.TrainToTheReference(client.Grains, file, plan: plan);
        Assert.InRange(outcome.Last.FirstVersion, 300, outcome.Last.Steps - 1);
        Assert.Equal(0, outcome.Last.FirstVersion % 300);
    }

    private async Task KillInTheMiddle(string url, Cli.RunFiles.RunFile file, RunPlan plan)
    {
        await using var first = await SiloProcess.Start(url, "first", backprop.Folder);
        await using var second = await SiloProcess.Start(url, "second", backprop.Folder);
        await using var client = await ClusterClient.Connect(
            SharedCluster.AddressOf(url),
            TestContext.Current.CancellationToken
        );
        await client.WaitForSilos(2, TestContext.Current.CancellationToken);
        var coordinator = client.Grains.GetGrain<ICoordinatorGrain>(plan.Run);
        await coordinator.Start(plan, 0, file.Cluster.StepDeadline, file.ToYaml());
        RunProgress? progress;
        do
        {
            progress = await coordinator.Watch(int.MaxValue, int.MaxValue);
            Assert.True(progress is { IsOver: false }, $"the run is {progress?.Status} before its silos were killed");
        } while (progress!.SavedVersion < 600);
        await Task.WhenAll(first.Process.Kill(), second.Process.Kill());
    }

    private static async Task EndsByItself(ClusterClient client, string run)
    {
        using var bound = new CancellationTokenSource(Bound);
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (await client.Cluster.Find(run) is var record && record?.Status != RunStatus.Completed)
        {
            Assert.False(
                bound.IsCancellationRequested,
                $"within {Bound.TotalSeconds} s the run did not go on to its end by itself: it is {record?.Status}, "
                    + $"{record?.Reason}"
            );
            await pause.WaitForNextTickAsync(CancellationToken.None);
        }
    }
}
