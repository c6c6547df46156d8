using System.Net;

namespace BackpropCluster.Tests.Processes;

/// <summary>What a silo says of its health: it lives from its start to its end, and is ready while it is a member that takes part.</summary>
[Collection(SharedCluster.Name)]
public sealed class HealthTests
{
    private readonly SharedCluster cluster;

    public HealthTests(SharedCluster cluster)
    {
        RedisServer.Need();
        this.cluster = cluster;
    }

    [Fact]
    public async Task ASiloIsReadyWhileItIsAMemberAndNotWhileItLeaves()
    {
        var port = RedisServer.FreePort();
        var silo = await cluster.AddSilo("--http-port", $"{port}");
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (await Health.Get(port, "live"), await Health.Get(port, "ready")));
        Assert.Equal(HttpStatusCode.NotFound, await Health.Get(port, ""));

        var watched = new Watched();
        var file = await ProcessRuns.Lasting(cluster.Client.Grains, cluster.Folder, TimeSpan.FromSeconds(3));
        var training = ProcessRuns.TrainToTheReference(cluster.Client.Grains, file, watched.Take);
        var name = await cluster.PlacementNameOf(silo);
        await watched.Until(p => p.CommittedSteps > 0 && p.Placement!.Uses(name), "it has parts on the silo", training);

        // Without its store the run cannot be saved, so no part moves, and the silo stays on its way out until the store is there again.
        cluster.Redis.Freeze();
        try
        {
            silo.Process.Signal("TERM");
            await silo.Process.Says("gives its slices away");
            Assert.Equal((HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable), (await Health.Get(port, "live"), await Health.Get(port, "ready")));
        }
        finally
        {
            cluster.Redis.Thaw();
        }

        Assert.Equal(0, (await silo.Process.Ends()).ExitCode);
        cluster.Silos.Remove(silo);
        await training;
    }
}
