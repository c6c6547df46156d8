using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Reflection;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Silos;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Runtime;
using Orleans.Storage;
using StackExchange.Redis;

namespace BackpropCluster.Grains.Clustering;

/// <summary>What a silo process is told.</summary>
public sealed record ClusterSiloOptions
{
    public required ClusterAddress Cluster { get; init; }

    /// <summary>For people; machine name and port where none is given.</summary>
    public string? Name { get; init; }

    /// <summary>Where other silos reach it; 0 takes a free one, or for the first silo of a cluster without a store the
    /// cluster's.</summary>
    public int SiloPort { get; init; }

    /// <summary>Where clients reach it; 0 takes a free one.</summary>
    public int GatewayPort { get; init; }

    /// <summary>Nothing listens beyond loopback unless this says so.</summary>
    public IPAddress Listen { get; init; } = IPAddress.Loopback;

    /// <summary>Where runs are kept if the cluster has no store; the same for all silos of the machine.</summary>
    public string RunDirectory { get; init; } = "runs";

    public string Version { get; init; } = ClusterSilo.ProgramVersion;

    /// <summary>Further services, such as loggers, and further parts.</summary>
    public Action<ISiloBuilder>? Configure { get; init; }
}

/// <summary>One member of a cluster.</summary>
public sealed class ClusterSilo : IAsyncDisposable
{
    private static readonly TimeSpan DescribeBound = TimeSpan.FromSeconds(5);

    private readonly SiloHost host;
    private readonly IConnectionMultiplexer? redis;
    private readonly LocalGateway? first;

    private ClusterSilo(SiloHost host, IConnectionMultiplexer? redis, LocalGateway? first) =>
        (this.host, this.redis, this.first) = (host, redis, first);

    /// <summary>Of this program. Silos of one cluster must have the same.</summary>
    public static string ProgramVersion { get; } =
        typeof(ClusterSilo).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    /// <summary>The number of a version without the commit that it was built from: of 0.2.0+ab12 it is 0.2.0.</summary>
    public static string ReleaseOf(string version) => version.Split('+')[0];

    public ILocalSiloDetails Details => host.Get<ILocalSiloDetails>();

    public IGrainFactory Grains => host.Get<IGrainFactory>();

    /// <summary>Whether it is a member that takes part in runs, and that clients can find.</summary>
    public bool IsActive =>
        host.Get<ISiloStatusOracle>().CurrentStatus == SiloStatus.Active && !Departure.HasBegun && !Ends.IsCompleted;

    /// <summary>Names of the members, this one's too.</summary>
    public IEnumerable<string> Members
    {
        get
        {
            var oracle = host.Get<ISiloStatusOracle>();
            return oracle
                .GetActiveSilos()
                .Select(silo => oracle.TryGetSiloName(silo, out var name) ? name : silo.ToParsableString());
        }
    }

    /// <summary>Completes when it is over without having been asked to leave.</summary>
    public Task Ends => host.Get<SiloEnd>().Heard;

    private SiloDrain Departure => host.Get<SiloDrain>();

    /// <summary>Starts a silo; it is a member when this returns.</summary>
    /// <exception cref="ClusterUnreachableException">The store does not answer, or the cluster is of another
    /// version.</exception>
    /// <exception cref="RecordFormatException">Another version of the program keeps runs in the store.</exception>
    /// <exception cref="PortTakenException">A port is in use.</exception>
    [SuppressMessage(
        "Reliability",
        "CA2000",
        Justification = "The silo owns its claim; where there is no silo, Close ends it."
    )]
    public static async Task<ClusterSilo> Start(ClusterSiloOptions options, CancellationToken cancellation = default)
    {
        var redis = options.Cluster.IsRedis ? await options.Cluster.Connect(cancellation) : null;
        var isAsked = options.SiloPort == 0 || options.SiloPort == options.Cluster.FirstPort;
        var first = redis is null && isAsked ? LocalGateway.Claim(options.Cluster.FirstPort) : null;
        ClusterSilo? silo = null;
        try
        {
            await StoreFormat.RefuseAnother(options.Cluster, redis, options.RunDirectory);
            var siloPort = Ports.Take(
                options.Listen,
                first is null ? options.SiloPort : options.Cluster.FirstPort,
                "--silo-port"
            );
            var gatewayPort = Ports.Take(options.Listen, options.GatewayPort, "--gateway-port");
            silo = new ClusterSilo(Build(options, siloPort, gatewayPort, redis), redis, first);
            await silo.host.Start(cancellation);
            await silo.RefuseOtherVersions(options.Version);
            cancellation.ThrowIfCancellationRequested();
            first?.Open(gatewayPort);
            return silo;
        }
        catch (Exception e)
        {
            if (silo is not null)
                await silo.DisposeAsync();
            else
                await Close(redis, first);
            if (e is RedisException or OrleansException or TimeoutException && redis is not null)
                throw new ClusterUnreachableException(
                    $"{options.Cluster} does not answer any more ({StoreReason.Of(e)}). The silo was not started. "
                        + $"Start Redis there, then the silo again."
                );
            // Without a store the first silo keeps the members: what Orleans says where it is missing is a page long.
            if (e is OrleansException or TimeoutException && redis is null && first is null)
                throw new ClusterUnreachableException(
                    $"no silo answers at {options.Cluster}. Nothing was started. Start the first one with "
                        + $"--silo-port {options.Cluster.FirstPort}."
                );
            throw;
        }
    }

    /// <summary>Why it is over and what remains, as the end of a sentence about it.</summary>
    public async Task<string> WhyItEnds()
    {
        if (host.Get<SiloEnd>().Told is { } told)
            return told;
        try
        {
            var all = (await host.Get<IMembershipTable>().ReadAllAsync().WaitAsync(DescribeBound))
                .Members.Select(member => member.Item1)
                .ToList();
            if (all.Find(member => member.SiloAddress.Equals(Details.SiloAddress)) is { Status: SiloStatus.Dead } own)
            {
                var by = (own.SuspectTimes ?? [])
                    .Select(suspect =>
                        all.Find(member => member.SiloAddress.Equals(suspect.Item1))?.SiloName
                        ?? suspect.Item1.ToString()
                    )
                    .Distinct()
                    .ToList();
                var accusers = by.Count == 0 ? "the others" : string.Join(" and ", by.Order(StringComparer.Ordinal));
                return $"was declared dead by {accusers} while it did not answer. Its runs go on without it.";
            }
        }
        catch (Exception e) when (e is RedisException or OrleansException or TimeoutException)
        {
            // Who said so is told where it can be read; that it is over is known anyway.
        }

        var why = host.Get<SiloEnd>().Why?.GetBaseException().Message.Split('\n')[0].TrimEnd('.');
        return $"cannot go on: {why ?? "Orleans does not say why"}. Its runs go on without it.";
    }

    /// <summary>Gives its shards away, then leaves the cluster.</summary>
    /// <returns>Whether every run had moved its actors before the bound; the others recover.</returns>
    public async Task<bool> Leave(TimeSpan bound)
    {
        var moved = await Departure.Leave(bound);
        await host.Stop();
        return moved;
    }

    public async ValueTask DisposeAsync()
    {
        await host.DisposeAsync();
        await Close(redis, first);
    }

    private static async Task Close(IConnectionMultiplexer? redis, LocalGateway? first)
    {
        if (redis is not null)
            await redis.DisposeAsync();
        first?.Dispose();
    }

    private static SiloHost Build(
        ClusterSiloOptions options,
        int siloPort,
        int gatewayPort,
        IConnectionMultiplexer? redis
    )
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddSingleton(new ProgramVersion(options.Version));
        builder.UseOrleans(silo =>
        {
            options.Configure?.Invoke(silo);
            options.Cluster.Configure(silo, redis);
            silo.ConfigureEndpoints(
                Ports.Advertised(options.Listen),
                siloPort,
                gatewayPort,
                listenOnAnyHostAddress: options.Listen.Equals(IPAddress.Any)
            );
            silo.Configure<SiloOptions>(o => o.SiloName = options.Name ?? $"{Environment.MachineName}-{siloPort}");
            if (redis is not null)
                AddRedis(silo, options.Cluster, redis);
            else
                silo.Services.AddCheckpointFolder(options.RunDirectory);
            silo.AddBackprop().AddRuns();
            AddDirectory(silo);
        });
        return new SiloHost(builder.Build());
    }

    // The default directory ends every grain that was registered with a silo that leaves, wherever it stands: a
    // coordinator among them is begun anew from the last checkpoint. A lost silo's range opens again by the time that
    // it is known to be lost.
    private static void AddDirectory(ISiloBuilder silo)
    {
#pragma warning disable ORLEANSEXP003 // experimental, and the only directory that hands its entries over
        silo.AddDistributedGrainDirectory();
#pragma warning restore ORLEANSEXP003
        silo.Configure<GrainDirectoryOptions>(options => options.RangeLeaseDuration = TimeSpan.FromSeconds(3));
    }

    private static void AddRedis(ISiloBuilder silo, ClusterAddress address, IConnectionMultiplexer redis)
    {
        silo.AddRedisGrainStorage(
            "backprop",
            options =>
            {
                options.CreateMultiplexer = _ => Task.FromResult((redis, true));
                options.ConfigurationOptions = address.StorageOptions();
                options.GetStorageKey = StoreFormat.KeyOf;
                options.GrainStorageSerializer = new StoredBytesSerializer();
                // Else what is cleared stays as an empty record, and a dropped checkpoint as many of them.
                options.DeleteStateOnClear = true;
            }
        );
        silo.Services.AddCheckpoints(services => services.GetRequiredKeyedService<IGrainStorage>("backprop"));
        silo.Services.AddSingleton<IRunNames>(new RedisRunNames(redis, address.Database));
        silo.Services.AddHostedService(services => ActivatorUtilities.CreateInstance<Registration>(services, address));
    }

    // A member that was just lost, or is on its way out, is nobody to agree with.
    private async Task<SiloDescription?> Describe(SiloAddress other)
    {
        try
        {
            var grain = Grains.GetGrain<ISiloGrain>(ActorKeys.Silo(other.ToParsableString()));
            return await grain.Describe().AsTask().WaitAsync(DescribeBound);
        }
        catch (Exception e) when (e is OrleansException or TimeoutException)
        {
            return null;
        }
    }

    private async Task RefuseOtherVersions(string version)
    {
        var oracle = host.Get<ISiloStatusOracle>();
        foreach (var other in oracle.GetActiveSilos().Where(other => !other.Equals(Details.SiloAddress)))
        {
            if (await Describe(other) is not { } described)
                continue;
            if (described.Version != version)
                throw new ClusterUnreachableException(
                    $"silo {described.Name} of this cluster runs version {described.Version}, this program is "
                        + $"{version}. Nothing was started. Use one version for all silos."
                );
        }
    }
}

/// <summary>The version that a silo goes by.</summary>
internal sealed record ProgramVersion(string Text);
