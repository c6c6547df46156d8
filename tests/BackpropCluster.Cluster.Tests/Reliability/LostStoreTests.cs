using System.Net;
using BackpropCluster.ClusterTests.Processes;

namespace BackpropCluster.ClusterTests.Reliability;

/// <summary>A Redis that has lost what it held has lost its list of members too: no client finds a silo that is in
/// none.</summary>
public sealed class LostStoreTests : IDisposable
{
    private readonly Backprop backprop = new();

    public LostStoreTests() => RedisServer.Need();

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task ASiloThatNobodyCanFindAnyMoreSaysSoAndEnds()
    {
        await using var redis = await RedisServer.Start();
        var port = RedisServer.FreePort();
        await using var silo = await SiloProcess.Start(
            redis.Url(),
            "lonely",
            backprop.Folder,
            "--http-port",
            $"{port}"
        );
        Assert.Equal(HttpStatusCode.OK, await Health.Get(port, "ready"));
        await using (
            var store = await SharedCluster.AddressOf(redis.Url()).Connect(TestContext.Current.CancellationToken)
        )
            await store.GetDatabase().ExecuteAsync("FLUSHALL");

        var ended = await silo.Process.Ends();
        Assert.Equal(4, ended.ExitCode);
        Assert.Contains(
            $"silo lonely stands in no list of members any more, where clients would find it: {redis.Shown()} has "
                + $"lost its data.",
            ended.Talk,
            StringComparison.Ordinal
        );
    }

    // The list of runs is only an index of their own records, and can be made anew from them.
    [Fact]
    public async Task AFlippedByteInTheListOfRunsStopsNobody()
    {
        await using var redis = await RedisServer.Start();
        await using var silo = await SiloProcess.Start(redis.Url(), "only", backprop.Folder);
        string[] train =
        [
            "train",
            Path.Combine(Backprop.Root, "examples", "xor.yaml"),
            "--set",
            "training.epochs=5",
            "--set",
            "cluster.silos=1",
            "--cluster",
            redis.Url(),
            "--json",
        ];
        var first = (await backprop.Run(train)).Json.GetProperty("run").GetString();
        await using (
            var store = await SharedCluster.AddressOf(redis.Url()).Connect(TestContext.Current.CancellationToken)
        )
            await Flip(store.GetDatabase(), "backprop/state/backprop/.cluster/runs/checkpoint");

        var second = (await backprop.Run(train)).Json.GetProperty("run").GetString();
        var listed = (await backprop.Run("runs", "list", "--cluster", redis.Url(), "--json")).Json.GetProperty("runs");
        Assert.Equal(
            new[] { first, second }.Order(StringComparer.Ordinal),
            listed.EnumerateArray().Select(r => r.GetProperty("run").GetString()).Order(StringComparer.Ordinal)
        );
        Assert.Contains(
            "the list of runs, .cluster/runs, is broken",
            silo.Process.Diagnostics,
            StringComparison.Ordinal
        );
    }

    private static async Task Flip(StackExchange.Redis.IDatabase redis, string key)
    {
        byte[] data = (await redis.HashGetAsync(key, "data"))!;
        data[data.Length / 2] ^= 1;
        await redis.HashSetAsync(key, "data", data);
    }
}
