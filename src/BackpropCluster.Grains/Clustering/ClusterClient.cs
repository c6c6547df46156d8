using System.Globalization;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Silos;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Runtime;
using Orleans.Serialization;
using StackExchange.Redis;

namespace BackpropCluster.Grains.Clustering;

/// <summary>Talks to a cluster from outside. The runs stay there when it goes.</summary>
public sealed class ClusterClient : IAsyncDisposable
{
    private static readonly TimeSpan ConnectBound = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan SilosBound = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan AnswerBound = TimeSpan.FromSeconds(5);

    // A piece of a checkpoint may be long.
    private static readonly TimeSpan RecordBound = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(200);

    private readonly IHost host;
    private readonly IConnectionMultiplexer? redis;
    private readonly ClusterAddress address;

    private ClusterClient(IHost host, IConnectionMultiplexer? redis, ClusterAddress address) =>
        (this.host, this.redis, this.address) = (host, redis, address);

    public IGrainFactory Grains => host.Services.GetRequiredService<IGrainFactory>();

    public IClusterGrain Cluster => Grains.GetGrain<IClusterGrain>(0);

    /// <summary>What the cluster's runs have saved, to read only.</summary>
    public CheckpointStore Checkpoints =>
        new(new SealedRecords(new ClusterRecords(this), host.Services.GetRequiredService<Serializer>()));

    /// <summary>Connects to some silo of the cluster.</summary>
    /// <exception cref="ClusterUnreachableException">None answers within twenty seconds.</exception>
    public static async Task<ClusterClient> Connect(ClusterAddress address, CancellationToken cancellation = default)
    {
        var redis = address.IsRedis ? await address.Connect(cancellation) : null;
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        var until = TimeProvider.System.GetTimestamp();
        using var pause = new PeriodicTimer(LookEvery);
        builder.UseOrleansClient(client =>
        {
            address.Configure(client, redis);
            // A client that looks once a minute would have lost a cluster whose silos have all been started again
            // since.
            client.Configure<GatewayOptions>(options => options.GatewayListRefreshPeriod = TimeSpan.FromSeconds(2));
            client.Configure<ClientMessagingOptions>(options =>
                options.MaxMessageBodySize = PlanLimits.MaxMessageBytes
            );
            client.UseConnectionRetryFilter(
                async (_, stop) =>
                    TimeProvider.System.GetElapsedTime(until) < ConnectBound && await pause.WaitForNextTickAsync(stop)
            );
        });
        var host = builder.Build();
        // One that connects and then loses its silo before that has told what grains there are would ask for ever.
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        bound.CancelAfter(ConnectBound);
        try
        {
            await host.StartAsync(bound.Token).WaitAsync(bound.Token);
            return new ClusterClient(host, redis, address);
        }
        catch (Exception)
        {
            host.Dispose();
            if (redis is not null)
                await redis.DisposeAsync();
            cancellation.ThrowIfCancellationRequested();
            throw new ClusterUnreachableException(
                $"no silo of {address} answers within "
                    + $"{ConnectBound.TotalSeconds.ToString(CultureInfo.InvariantCulture)} s. Nothing was started. "
                    + $"Start silos with: backprop silo --cluster {address}"
            );
        }
    }

    /// <summary>Waits until enough silos are members.</summary>
    /// <returns>What they say of themselves, by name.</returns>
    /// <exception cref="ClusterUnreachableException">There are too few within twenty seconds.</exception>
    public async Task<IReadOnlyList<SiloDescription>> WaitForSilos(int wanted, CancellationToken cancellation)
    {
        var began = TimeProvider.System.GetTimestamp();
        using var pause = new PeriodicTimer(LookEvery);
        while (true)
        {
            var silos = await Silos(cancellation);
            if (silos.Count >= wanted)
                return silos;
            if (TimeProvider.System.GetElapsedTime(began) > SilosBound)
                throw new ClusterUnreachableException(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{address} has {silos.Count} of {wanted} silos "
                            + $"({string.Join(", ", silos.Select(s => s.Name))}); {wanted - silos.Count} did not "
                            + $"come within {SilosBound.TotalSeconds} s. Nothing was started. Start more with: "
                            + $"backprop silo --cluster {address}, or lower cluster.silos."
                    )
                );
            await pause.WaitForNextTickAsync(cancellation);
        }
    }

    /// <summary>Asks some silo. Where that one goes before it answers, another is asked.</summary>
    /// <exception cref="ClusterUnreachableException">None answers within twenty seconds.</exception>
    public Task<T> Ask<T>(Func<IGrainFactory, ValueTask<T>> question, CancellationToken cancellation = default) =>
        Ask(question, AnswerBound, cancellation);

    /// <summary>A record of the cluster's store, sealed as it lies there; <see langword="null"/> if there is none of
    /// this name.</summary>
    /// <exception cref="ClusterUnreachableException">No silo answers.</exception>
    internal Task<RecordPiece?> Record(string name, int first, int bytes) =>
        Ask(
            grains => grains.GetGrain<IClusterGrain>(0).Record(name, first, bytes),
            RecordBound,
            CancellationToken.None
        );

    private async Task<T> Ask<T>(
        Func<IGrainFactory, ValueTask<T>> question,
        TimeSpan bound,
        CancellationToken cancellation
    )
    {
        var began = TimeProvider.System.GetTimestamp();
        using var pause = new PeriodicTimer(LookEvery);
        while (true)
        {
            try
            {
                return await question(Grains).AsTask().WaitAsync(bound, cancellation);
            }
            catch (Exception e) when (e is OrleansException or TimeoutException)
            {
                if (TimeProvider.System.GetElapsedTime(began) > ConnectBound)
                    throw new ClusterUnreachableException(
                        $"no silo of {address} answers any more, for "
                            + $"{ConnectBound.TotalSeconds.ToString(CultureInfo.InvariantCulture)} s now. Nothing "
                            + $"was changed. Start silos with: backprop silo --cluster {address}"
                    );
            }

            await pause.WaitForNextTickAsync(cancellation);
        }
    }

    /// <summary>What the cluster knows of a run; <see langword="null"/> if there is no such run.</summary>
    /// <exception cref="ClusterUnreachableException">No silo answers within twenty seconds.</exception>
    public Task<RunRecord?> Find(string run, CancellationToken cancellation = default) =>
        Ask(grains => grains.GetGrain<IClusterGrain>(0).Find(run), cancellation);

    /// <summary>The silos that are members now.</summary>
    /// <exception cref="ClusterUnreachableException">None answers within twenty seconds.</exception>
    public async Task<IReadOnlyList<SiloDescription>> Silos(CancellationToken cancellation = default)
    {
        var members = await Ask(grains => grains.GetGrain<IClusterGrain>(0).Members(), cancellation);
        var described = await Task.WhenAll(
            members.Select(async silo =>
            {
                try
                {
                    var grain = Grains.GetGrain<ISiloGrain>(ActorKeys.Silo(silo));
                    return await grain.Describe().AsTask().WaitAsync(AnswerBound);
                }
                catch (Exception e) when (e is OrleansException or TimeoutException)
                {
                    return null; // it is just going, or was just lost
                }
            })
        );
        return [.. described.OfType<SiloDescription>().OrderBy(s => s.Name, StringComparer.Ordinal)];
    }

    public async ValueTask DisposeAsync()
    {
        using var bound = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        await host.StopAsync(bound.Token);
        host.Dispose();
        if (redis is not null)
            await redis.DisposeAsync();
    }
}
