using BackpropCluster.Cli.RunFiles;
using BackpropCluster.ClusterTests.Processes;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Silos;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;

namespace BackpropCluster.ClusterTests.Reliability;

/// <summary>Two clients that start one run at the same moment.</summary>
[Collection(SerialTests.Name), Trait("length", "long")]
public sealed class TwoClientsTests
{
    private const int Times = 50;

    public TwoClientsTests()
    {
        RequiresLongTests.Need();
        RedisServer.Need();
    }

    [Fact]
    public async Task FiftyTimesTwoClientsStartOneRunAndOneCoordinatorLeadsIt()
    {
        await using var cluster = await Faults.Cluster();
        await using var other = await ClusterClient.Connect(
            SharedCluster.AddressOf(cluster.Url),
            TestContext.Current.CancellationToken
        );
        var file = RunFileLoader.Load(ProcessRuns.Write(cluster.Folder), ["training.checkpoint_every=3"]);
        var (runs, recoveries) = (new List<string>(), 0);
        for (var i = 0; i < Times; i++)
        {
            var plan = ProcessRuns.Plan(file);
            using var start = new Barrier(2);
            var outcomes = await Task.WhenAll(Begin(cluster.Client), Begin(other));
            Assert.Equal(outcomes[0].Result!.WeightsSha256, outcomes[1].Result!.WeightsSha256);
            Assert.All(
                outcomes,
                o =>
                    Assert.True(
                        o.Last.Term == 1 + o.Last.Recoveries + o.Last.Moves,
                        $"run {i}: term {o.Last.Term} after {o.Last.Recoveries} recoveries and {o.Last.Moves} moves"
                    )
            );
            recoveries += outcomes[0].Last.Recoveries;
            runs.Add(plan.Run);

            Task<TrainingOutcome> Begin(ClusterClient client) =>
                Task
                    .Factory.StartNew(
                        () =>
                        {
                            start.SignalAndWait();
                            return ProcessRuns.TrainToTheReference(client.Grains, file, plan: plan);
                        },
                        CancellationToken.None,
                        TaskCreationOptions.LongRunning,
                        TaskScheduler.Default
                    )
                    .Unwrap();
        }

        foreach (var run in runs)
            await HeadNamesNoVersionTwice(cluster, run);
        Faults.Tell($"{Times} runs, each started by two clients: one hash, {recoveries} recoveries");
    }

    private static async Task HeadNamesNoVersionTwice(SharedCluster cluster, string run)
    {
        await using var redis = await SharedCluster.AddressOf(cluster.Url).Connect();
        await using var services = new ServiceCollection()
            .AddSerializer()
            .AddCheckpoints(_ => new RedisReader(redis.GetDatabase()))
            .BuildServiceProvider();
        var head = await services.GetRequiredService<CheckpointStore>().List(run);
        Assert.NotNull(head);
        Assert.Empty(head.Value.Warnings);
        var versions = head.Value.Ids.Select(id => id.Version).ToList();
        Assert.NotEmpty(versions);
        Assert.Equal(versions.Distinct().Order(), versions);
    }
}
