namespace BackpropCluster.ClusterTests.Processes;

/// <summary>What a run drops is gone from Redis too.</summary>
public sealed class KeptInRedisTests : IDisposable
{
    private readonly Backprop backprop = new();

    public KeptInRedisTests() => RedisServer.Need();

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task OnlyTheNewestCheckpointsAndThatOfTheLastSaveAreKeysThere()
    {
        await using var redis = await RedisServer.Start();
        await using var silo = await SiloProcess.Start(redis.Url(), "only", backprop.Folder);
        string[] train =
        [
            "train",
            Path.Combine(Backprop.Root, "examples", "xor.yaml"),
            "--cluster",
            redis.Url(),
            "--set",
            "cluster.silos=1",
            "--set",
            "training.epochs=30",
            "--set",
            "training.checkpoint_every=1",
            "--set",
            "training.keep_checkpoints=2",
            "--json",
        ];
        var steps = (await backprop.Run(train)).Json.GetProperty("steps").GetInt32();

        await using var store = await SharedCluster
            .AddressOf(redis.Url())
            .Connect(TestContext.Current.CancellationToken);
        var keys = (string[])(await store.GetDatabase().ExecuteAsync("KEYS", "*/checkpoints/step-*"))!;
        Assert.Equal(
            [steps - 2, steps - 1, steps],
            keys.Select(key => int.Parse(key.Split("/step-")[1].Split('-')[0])).Distinct().Order()
        );
    }
}
