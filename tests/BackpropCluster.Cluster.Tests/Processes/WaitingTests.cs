using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>Whatever is waited for has a bound, and what did not come is said. A collection of its own: it mostly
/// waits.</summary>
public sealed class WaitingTests : IDisposable
{
    private readonly Backprop backprop = new();

    public WaitingTests() => RedisServer.Need();

    public void Dispose() => backprop.Dispose();

    [Fact, Trait("length", "long")]
    public async Task TooFewSilosAreNamedAndTheWaitForMoreIsBounded()
    {
        RequiresLongTests.Need();
        await using var redis = await RedisServer.Start();
        await using var alone = await SiloProcess.Start(redis.Url(), "alone", backprop.Folder);
        ProcessRuns.Write(backprop.Folder);
        var began = Stopwatch.GetTimestamp();
        string[] train = ["train", "seven.yaml", "--json", "--cluster"];
        var (few, none) = (backprop.Run([.. train, redis.Url()]), backprop.Run([.. train, redis.Url(1)]));
        Mistake.Assert(
            await few,
            4,
            $"{redis.Shown()} has 1 of 3 silos (alone); 2 did not come within 20 s. Nothing was started."
        );
        Mistake.Assert(await none, 4, $"no silo of {redis.Shown(1)} answers within 20 s. Nothing was started.");
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalSeconds, 20, 35);
        Assert.Equal(["seven.csv", "seven.yaml"], backprop.LeftBehind.Order(StringComparer.Ordinal));
        Assert.Equal(0, (await alone.Leave()).ExitCode);
    }

    [Fact]
    public async Task AStoreThatIsNotThereOrRefusesThePasswordIsSaid()
    {
        await using var redis = await RedisServer.Start();
        var nowhere = $"redis://127.0.0.1:{RedisServer.FreePort()}";
        await Task.WhenAll(
            Mistake.AssertEach(
                backprop,
                Mistake.CommandsOf(nowhere),
                4,
                $"{nowhere} does not answer. Nothing was started. Start Redis there, or correct --cluster."
            ),
            Mistake.AssertEach(
                backprop,
                Mistake.CommandsOf(redis.Url(password: "wrong:/word")),
                4,
                $"{redis.Shown()} refuses the password. Nothing was started."
            ),
            Mistake.AssertEach(
                backprop,
                Mistake.CommandsOf(redis.Shown()),
                4,
                $"{redis.Shown()} refuses the password: none was given. Nothing was started."
            )
        );
        Assert.Empty(backprop.LeftBehind);
    }

    [Fact]
    public async Task ASiloLivesAndIsNotReadyBeforeItIsAMember()
    {
        // It takes connections and says nothing, so a silo waits for it as long as it waits for a store.
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var port = RedisServer.FreePort();
        await using var silo = Child.Backprop(
            backprop.Folder,
            "silo",
            "--cluster",
            $"redis://{silent.LocalEndpoint}",
            "--http-port",
            $"{port}"
        );
        await Health.Becomes(port, "live", HttpStatusCode.OK, silo);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await Health.Get(port, "ready"));
        Mistake.Assert(await silo.Ends(), 4, $"redis://{silent.LocalEndpoint} does not answer. Nothing was started.");
    }
}
