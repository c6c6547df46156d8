using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using StackExchange.Redis;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>What a cluster's run has saved can be had from anywhere, without its data, its folder or the store's
/// address.</summary>
[Collection(SharedCluster.Name)]
public sealed class ClusterCheckpointTests : IDisposable
{
    private readonly SharedCluster cluster;
    private readonly Backprop backprop = new();
    private readonly Backprop elsewhere = new();

    public ClusterCheckpointTests(SharedCluster cluster)
    {
        RedisServer.Need();
        this.cluster = cluster;
    }

    public void Dispose()
    {
        backprop.Dispose();
        elsewhere.Dispose();
    }

    [Fact]
    public async Task TheTrainedModelIsExportedFromACluster()
    {
        ProcessRuns.Write(backprop.Folder);
        string[] saves = ["--set", "training.checkpoint_every=1", "--set", "training.keep_checkpoints=2"];
        var trained = (await backprop.Run(["train", "seven.yaml", "--cluster", cluster.Url, "--json", .. saves])).Json;
        var (run, hash, steps) = (
            trained.GetProperty("run").GetString()!,
            trained.GetProperty("weightsSha256").GetString(),
            trained.GetProperty("steps").GetInt32()
        );

        var listed = (await elsewhere.Run("checkpoint", "list", run, "--cluster", cluster.Url, "--json"))
            .Json.GetProperty("checkpoints")
            .EnumerateArray()
            .ToList();
        // The initial model, the newest two, and the best one besides.
        Assert.InRange(listed.Count, 3, 4);
        Assert.Equal(steps - 1, listed[^2].GetProperty("step").GetInt32());
        var last = listed[^1];
        Assert.Equal(
            (steps, hash, true),
            (
                last.GetProperty("step").GetInt32(),
                last.GetProperty("weightsSha256").GetString(),
                last.GetProperty("ok").GetBoolean()
            )
        );
        Assert.Equal(0, (await elsewhere.Run("checkpoint", "verify", run, "--cluster", cluster.Url)).ExitCode);
        Assert.Empty(elsewhere.LeftBehind);
        Assert.Equal(
            hash,
            (await Export(run, "--to", "trained.safetensors", "--json")).Json.GetProperty("weightsSha256").GetString()
        );
        Assert.Equal(hash, HashOf("trained.safetensors"));
        Assert.Equal(0, (await Export(run, "--step", "0", "--to", "initial.safetensors")).ExitCode);
        Assert.NotEqual(hash, HashOf("initial.safetensors"));
        Mistake.Assert(
            await elsewhere.Run("checkpoint", "list", "nobody", "--cluster", cluster.Url),
            2,
            $"there is no run nobody in {cluster.Redis.Shown()}"
        );

        await Damage($"backprop/state/backprop/{run}/checkpoints/step-{steps}-term-1/layer-2-part-1/checkpoint");
        var verified = await elsewhere.Run("checkpoint", "verify", run, "--cluster", cluster.Url);
        Assert.Equal(5, verified.ExitCode);
        Assert.Contains(
            $"step {steps}  BROKEN  the checkpoint of step {steps} is broken: "
                + $"{run}/checkpoints/step-{steps}-term-1/layer-2-part-1: its bytes are not those that were written",
            verified.Output,
            StringComparison.Ordinal
        );
        var exported = await Export(run, "--step", $"{steps}", "--to", "broken.safetensors");
        Mistake.Assert(exported, 5, $"see: backprop checkpoint verify {run} --cluster {cluster.Redis.Shown()}");
        Assert.False(File.Exists(Path.Combine(elsewhere.Folder, "broken.safetensors")));
    }

    private Task<Ended> Export(string run, params string[] arguments) =>
        elsewhere.Run(["checkpoint", "export", run, "--cluster", cluster.Url, .. arguments]);

    private async Task Damage(string key)
    {
        await using var redis = await ConnectionMultiplexer.ConnectAsync(
            SharedCluster.AddressOf(cluster.Url).StorageOptions()
        );
        var bytes = (byte[]?)await redis.GetDatabase().HashGetAsync(key, "data");
        Assert.True(bytes is not null, $"there is no record {key}");
        bytes[^40] ^= 1;
        await redis.GetDatabase().HashSetAsync(key, "data", bytes);
    }

    private string HashOf(string name)
    {
        using var file = File.OpenRead(Path.Combine(elsewhere.Folder, name));
        var tensors = Safetensors.Read(name, file).ToDictionary(t => t.Name, t => t.Values);
        return WeightsHash.Sha256(
            Enumerable.Range(0, 3).Select(l => (tensors[$"layers.{l}.weight"], tensors[$"layers.{l}.bias"]))
        );
    }
}
