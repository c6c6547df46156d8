namespace BackpropCluster.ClusterTests.Processes;

/// <summary>A cluster with a Redis of its own, which goes and comes back; and what of it may be read
/// afterwards.</summary>
public sealed class StoreRetryStateTests : IDisposable
{
    private readonly Backprop backprop = new();

    public StoreRetryStateTests() => RedisServer.Need();

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task AStoreThatGoesAndComesBackIsSaidWithoutItsPassword()
    {
        await using var redis = await RedisServer.Start();
        await using var silo = await SiloProcess.Start(
            redis.Url(),
            "alone",
            backprop.Folder,
            "--http-port",
            $"{RedisServer.FreePort()}"
        );
        ProcessRuns.Write(backprop.Folder);
        string[] train = ["train", "seven.yaml", "--set", "cluster.silos=1", "--cluster", redis.Url()];
        var trained = await backprop.Run([.. train, "--json"]);
        var hash = trained.Json.GetProperty("weightsSha256").GetString();

        await redis.Stop();
        var stopped = await Task.WhenAll(
            backprop.Run(train),
            backprop.Run("silo", "--cluster", redis.Url()),
            backprop.Run("runs", "list", "--cluster", redis.Url())
        );
        Assert.All(
            stopped,
            ended => Mistake.Assert(ended, 4, $"{redis.Shown()} does not answer. Nothing was started.")
        );
        await silo.Process.Says("runs cannot be looked after: ");

        await redis.StartAgain();
        var again = await backprop.Run(train);
        Assert.True(
            again.Output.Contains($"sha256 {hash}", StringComparison.Ordinal),
            $"not {hash}: {again.Output}{again.Talk}"
        );
        var wrong = await backprop.Run("cluster", "status", "--cluster", redis.Url(password: redis.Password + "!"));
        var left = await silo.Leave();
        Assert.Equal(0, left.ExitCode);
        Assert.Single(
            left.Talk.Split('\n'),
            line => line.Contains("runs cannot be looked after: ", StringComparison.Ordinal)
        );
        Assert.False(left.Talk.Contains("   at ", StringComparison.Ordinal), left.Talk);

        foreach (var ended in new[] { trained, again, wrong, left }.Concat(stopped))
            Mistake.AssertSecret(redis.Password, ended.Output + ended.Talk, $"'{ended.Talk}'");
        var files = backprop.LeftBehind.Select(path => Path.Combine(backprop.Folder, path)).Where(File.Exists).ToList();
        Assert.Contains(files, file => file.EndsWith("manifest.json", StringComparison.Ordinal));
        foreach (var file in files)
            Mistake.AssertSecret(
                redis.Password,
                await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken),
                file
            );
    }

    [Fact]
    public async Task AStoreThatHoldsWhatNoSiloWritesIsSaidWithoutItsPassword()
    {
        await using var redis = await RedisServer.Start();
        await using var silo = await SiloProcess.Start(redis.Url(), "alone", backprop.Folder);
        // Nobody but this test writes such a thing there, and the program does not expect it.
        await using (
            var store = await SharedCluster.AddressOf(redis.Url()).Connect(TestContext.Current.CancellationToken)
        )
            await store
                .GetDatabase()
                .StringSetAsync("backprop/state/backprop/.cluster/runs/checkpoint", "not what a silo writes");

        var ended = await backprop.Run("runs", "list", "--cluster", redis.Url());
        Mistake.Assert(ended, 4, "the cluster's store refuses (WRONGTYPE", "Nothing was changed.");
        Mistake.AssertSecret(redis.Password, ended.Talk + silo.Process.Diagnostics, "what was said of it");
    }
}
