using System.Net;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>What a silo says of its health: it lives from its start to its end, and is ready while it is a member that
/// takes part.</summary>
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
        await using var silo = await cluster.AddSilo("--http-port", $"{port}");
        try
        {
            Assert.Equal(
                (HttpStatusCode.OK, HttpStatusCode.OK),
                (await Health.Get(port, "live"), await Health.Get(port, "ready"))
            );
            Assert.Equal(HttpStatusCode.NotFound, await Health.Get(port, ""));
            await using var run = EndlessRun.Begin(cluster.Client.Grains, cluster.Folder);
            var name = await cluster.PlacementNameOf(silo);
            await run.Until(p => p.CommittedSteps > 0 && p.Placement!.Uses(name), "it has parts on the silo");

            await LeavesUnready(silo, port);
            Assert.Equal(0, (await silo.Process.Ends()).ExitCode);
            await run.EndsAsTheReference();
        }
        finally
        {
            cluster.Silos.Remove(silo);
        }
    }

    // Without its store the run cannot be saved, so no part moves, and the silo stays on its way out until the store is
    // there again.
    private async Task LeavesUnready(SiloProcess silo, int port)
    {
        cluster.Redis.Freeze();
        try
        {
            silo.Process.Signal("TERM");
            await Health.Becomes(port, "ready", HttpStatusCode.ServiceUnavailable, silo.Process);
            Assert.Equal(HttpStatusCode.OK, await Health.Get(port, "live"));
            Assert.True(silo.Process.IsRunning, "the silo left without its store");
        }
        finally
        {
            cluster.Redis.Thaw();
        }
    }
}
