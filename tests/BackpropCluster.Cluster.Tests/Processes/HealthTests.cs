using System.Net;
using System.Net.Sockets;

namespace BackpropCluster.Tests.Processes;

/// <summary>What a silo says of its health: it lives from its start to its end, and is ready while it is a member that takes part.</summary>
[Collection(SharedCluster.Name)]
public sealed class HealthTests : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);
    private readonly SharedCluster cluster;
    private readonly HttpClient http = new() { Timeout = Bound };

    public HealthTests(SharedCluster cluster)
    {
        RedisServer.Need();
        this.cluster = cluster;
    }

    public void Dispose() => http.Dispose();

    [Fact]
    public async Task ASiloIsReadyWhileItIsAMemberAndNotWhileItLeaves()
    {
        var port = RedisServer.FreePort();
        var silo = await cluster.AddSilo("--http-port", $"{port}");
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (await Get(port, "live"), await Get(port, "ready")));
        Assert.Equal(HttpStatusCode.NotFound, await Get(port, ""));

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
            Assert.Equal((HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable), (await Get(port, "live"), await Get(port, "ready")));
        }
        finally
        {
            cluster.Redis.Thaw();
        }

        Assert.Equal(0, (await silo.Process.Ends()).ExitCode);
        cluster.Silos.Remove(silo);
        await training;
    }

    [Fact]
    public async Task ASiloLivesAndIsNotReadyBeforeItIsAMember()
    {
        // It takes connections and says nothing, so a silo waits for it as long as it waits for a store.
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var port = RedisServer.FreePort();
        await using var silo = Child.Backprop(cluster.Folder, "silo", "--cluster", $"redis://{silent.LocalEndpoint}", "--http-port", $"{port}");
        await Answers(silo, port);
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable), (await Get(port, "live"), await Get(port, "ready")));
        Mistake.Assert(await silo.Ends(), 4, $"redis://{silent.LocalEndpoint} does not answer");
    }

    private async Task<HttpStatusCode> Get(int port, string what)
    {
        using var answer = await http.GetAsync(new Uri($"http://127.0.0.1:{port}/health/{what}"), TestContext.Current.CancellationToken);
        return answer.StatusCode;
    }

    private async Task Answers(Child silo, int port)
    {
        using var bound = new CancellationTokenSource(Bound);
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (true)
        {
            try
            {
                await Get(port, "live");
                return;
            }
            catch (HttpRequestException)
            {
                Assert.False(bound.IsCancellationRequested, $"port {port} did not answer within {Bound.TotalSeconds} s; the silo said: {silo.Talk}");
                await pause.WaitForNextTickAsync(CancellationToken.None);
            }
        }
    }
}
