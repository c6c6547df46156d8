using BackpropCluster.Grains.Clustering;
using Orleans.Runtime;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>Three silo processes and their Redis, started once for all tests that leave three silos behind.</summary>
public sealed class SharedCluster : IAsyncLifetime
{
    /// <summary>The name of the collection: its tests run one after the other.</summary>
    public const string Name = "three silo processes";

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-cluster-");
    private RedisServer? redis;
    private ClusterClient? client;
    private int names;

    internal RedisServer Redis => redis ?? throw new InvalidOperationException("the cluster is not started");

    internal ClusterClient Client => client ?? throw new InvalidOperationException("the cluster is not started");

    /// <summary>The silos that are members now.</summary>
    internal List<SiloProcess> Silos { get; } = [];

    internal string Url => Redis.Url();

    /// <summary>Where the silos work; files here go with the cluster.</summary>
    internal string Folder => folder.FullName;

    public async ValueTask InitializeAsync()
    {
        if (!RedisServer.IsInstalled)
            return;
        redis = await RedisServer.Start();
        while (Silos.Count < 3)
            await AddSilo();
        client = await ClusterClient.Connect(AddressOf(Url));
        await client.WaitForSilos(3, CancellationToken.None);
    }

    /// <summary>A new member, with a name that none had before.</summary>
    internal async Task<SiloProcess> AddSilo(params string[] more)
    {
        var silo = await SiloProcess.Start(Url, $"silo-{++names}", Folder, more);
        Silos.Add(silo);
        return silo;
    }

    /// <summary>Asks a silo to leave.</summary>
    internal async Task<Ended> Leave(SiloProcess silo)
    {
        var ended = await silo.Leave();
        Silos.Remove(silo);
        return ended;
    }

    /// <summary>A silo as placements name it.</summary>
    internal async Task<string> PlacementNameOf(SiloProcess silo)
    {
        using var bound = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (true)
        {
            try
            {
                if ((await Client.Silos()).SingleOrDefault(s => s.Name == silo.Name) is { } found)
                    return found.Silo;
            }
            catch (Exception e) when (e is OrleansException or TimeoutException)
            {
                // Asked by way of a silo that has just left: the next one is asked.
            }

            Assert.False(
                bound.IsCancellationRequested,
                $"{silo.Name} did not say within 30 s how placements name it; it said: {silo.Process.Diagnostics}"
            );
            await pause.WaitForNextTickAsync(CancellationToken.None);
        }
    }

    /// <summary>The first silo that something is true of.</summary>
    internal async Task<SiloProcess> Find(Func<SiloProcess, Task<bool>> isTrue)
    {
        foreach (var silo in Silos)
            if (await isTrue(silo))
                return silo;
        throw new InvalidOperationException("there is no such silo");
    }

    internal static ClusterAddress AddressOf(string url) =>
        ClusterAddress.TryParse(url, out var address)
            ? address
            : throw new ArgumentException($"{url} is no address of a cluster", nameof(url));

    public async ValueTask DisposeAsync()
    {
        if (client is not null)
            await client.DisposeAsync();
        foreach (var silo in Silos)
            await silo.DisposeAsync();
        if (redis is not null)
            await redis.DisposeAsync();
        folder.Delete(recursive: true);
    }
}

/// <summary>Tests on the shared cluster.</summary>
[CollectionDefinition(SharedCluster.Name)]
public sealed class OnSharedCluster : ICollectionFixture<SharedCluster>;
