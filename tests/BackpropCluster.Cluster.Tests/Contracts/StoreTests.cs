using System.Collections.Immutable;
using BackpropCluster.ClusterTests.Processes;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Data;
using BackpropCluster.Grains.Silos;
using BackpropCluster.Simulation;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Hosting;
using Orleans.Serialization;
using Orleans.Storage;
using StackExchange.Redis;

namespace BackpropCluster.ClusterTests.Contracts;

/// <summary>The explorer's store.</summary>
public sealed class MemoryStoreTests : StoreContract
{
    private readonly Dictionary<string, OpenStore> stores = [];
    private bool isRefusing;

    protected override int StepsInBlock => 3;

    protected override Task<Message> Ask(RunPlan plan, Message request)
    {
        var answer = new StoreAnswer();
        if (isRefusing)
            MemoryStore.Refuse(request, answer);
        else
            Of(plan).Receive(request, answer);
        Assert.True(answer.Heard.IsCompleted, $"no answer to {request}");
        return answer.Heard;
    }

    protected override Task<ImmutableArray<CheckpointId>> Counting(RunPlan plan) =>
        Task.FromResult<ImmutableArray<CheckpointId>>([.. Of(plan).Counting]);

    protected override Task<SavedModel?> Load(RunPlan plan, CheckpointId id) =>
        Task.FromResult(Of(plan).CanOpen(plan, id) ? Of(plan).Open(plan, id) : null);

    protected override Task Tear(RunPlan plan, SaveShard save)
    {
        Of(plan).Tear(save);
        return Task.CompletedTask;
    }

    protected override Task Damage(RunPlan plan, int shard)
    {
        Assert.True(Of(plan).Damage(plan, (uint)shard));
        return Task.CompletedTask;
    }

    // Its third choice is both copies.
    protected override Task DamageScores(RunPlan plan, bool copyToo)
    {
        Assert.True(Of(plan).DamageScores(copyToo ? 2U : 0));
        return Task.CompletedTask;
    }

    protected override Task Refuse(bool refuses)
    {
        isRefusing = refuses;
        return Task.CompletedTask;
    }

    // It holds one run.
    private OpenStore Of(RunPlan plan)
    {
        if (!stores.TryGetValue(plan.Run, out var store))
            stores.Add(plan.Run, store = new OpenStore(plan.Checkpoints.Keep));
        return store;
    }

    private sealed class OpenStore(int keep) : MemoryStore(keep)
    {
        public IEnumerable<CheckpointId> Counting => Checkpoints;
    }
}

/// <summary>A folder of this machine.</summary>
public sealed class FolderStoreTests : GrainStorageContract, IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-store-");
    private readonly ServiceProvider services;
    private bool isFull;

    public FolderStoreTests()
    {
        Storage = new FailingFolder(folder.FullName, _ => isFull);
        services = new ServiceCollection().AddSerializer().AddCheckpoints(_ => Storage).BuildServiceProvider();
        Client = new StoreClient(Store);
    }

    protected override IGrainStorage Storage { get; }

    protected override SealedRecords Records => services.GetRequiredService<SealedRecords>();

    protected override CheckpointStore Store => services.GetRequiredService<CheckpointStore>();

    private protected override StoreClient Client { get; }

    public void Dispose()
    {
        Client.Dispose();
        services.Dispose();
        folder.Delete(recursive: true);
    }

    // A save must not fail for what it no longer needs, and must not forget it.
    [Fact]
    public async Task WhatCannotBeDeletedIsDeletedWithTheNextSave()
    {
        var plan = NewPlan(keep: 1);
        var term = (await Lead(plan)).Key.Term;
        // The first of them is the best, and is kept.
        foreach (var version in (int[])[6, 7, 8])
            await Save(plan, term, version);
        // Held by somebody: the folder's lock of one part of what is to be deleted now.
        var part = Path.Combine(folder.FullName, PartName(plan, 7, term, plan.ShardsOf(1).First()));
        await using (new FileStream(part + ".lock", FileMode.OpenOrCreate, FileAccess.Write, FileShare.None))
            await Save(plan, term, 9);
        Assert.True(File.Exists(part));
        await Save(plan, term, 10);
        Assert.False(Directory.Exists(Path.GetDirectoryName(part)), $"{part} was not deleted with the next save");
    }

    protected override Task Refuse(bool refuses)
    {
        isFull = refuses;
        return Task.CompletedTask;
    }

    protected override Task<ImmutableArray<string>> Names(RunPlan plan) =>
        Task.FromResult<ImmutableArray<string>>([
            .. Directory
                .EnumerateFiles(Path.Combine(folder.FullName, plan.Run), "*", SearchOption.AllDirectories)
                .Where(file => !file.EndsWith(".lock", StringComparison.Ordinal))
                .Select(file => Path.GetRelativePath(folder.FullName, file)),
        ]);
}

/// <summary>Redis, wired as a silo process wires it.</summary>
public sealed class RedisStoreTests : GrainStorageContract, IClassFixture<RedisSilo>
{
    private const string Before = "backprop/state/backprop/";
    private const string Behind = "/checkpoint";
    private readonly RedisSilo silo;

    public RedisStoreTests(RedisSilo silo)
    {
        RedisServer.Need();
        this.silo = silo;
    }

    protected override IGrainStorage Storage => silo.Services.GetRequiredKeyedService<IGrainStorage>("backprop");

    protected override SealedRecords Records => silo.Services.GetRequiredService<SealedRecords>();

    protected override CheckpointStore Store => silo.Services.GetRequiredService<CheckpointStore>();

    private protected override StoreClient Client => silo.Services.GetRequiredService<StoreClient>();

    // With less memory than it uses it takes no write.
    protected override Task Refuse(bool refuses) =>
        silo.Redis.GetDatabase().ExecuteAsync("CONFIG", "SET", "maxmemory", refuses ? "1" : "0");

    protected override async Task<ImmutableArray<string>> Names(RunPlan plan) =>
        [
            .. ((string[])(await silo.Redis.GetDatabase().ExecuteAsync("KEYS", $"{Before}{plan.Run}/*"))!).Select(key =>
                key[Before.Length..^Behind.Length]
            ),
        ];
}

/// <summary>A silo in this process, and its Redis.</summary>
public sealed class RedisSilo : IAsyncLifetime
{
    private RedisServer? server;
    private ClusterSilo? silo;
    private IConnectionMultiplexer? redis;
    private IServiceProvider? services;

    internal IServiceProvider Services => services ?? throw new InvalidOperationException("there is no silo");

    internal IConnectionMultiplexer Redis => redis ?? throw new InvalidOperationException("there is no Redis");

    public async ValueTask InitializeAsync()
    {
        if (!RedisServer.IsInstalled)
            return;
        server = await RedisServer.Start();
        var cluster = SharedCluster.AddressOf(server.Url());
        redis = await cluster.Connect();
        silo = await ClusterSilo.Start(
            new ClusterSiloOptions
            {
                Cluster = cluster,
                Configure = builder =>
                    builder.AddStartupTask(
                        (provider, _) =>
                        {
                            services = provider;
                            return Task.CompletedTask;
                        }
                    ),
            }
        );
    }

    public async ValueTask DisposeAsync()
    {
        if (silo is not null)
            await silo.DisposeAsync();
        if (redis is not null)
            await redis.DisposeAsync();
        if (server is not null)
            await server.DisposeAsync();
    }
}
