using System.Globalization;
using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Messaging;
using StackExchange.Redis;

namespace BackpropCluster.Grains.Clustering;

/// <summary>Where a cluster is found: <c>redis://[:password@]host:port[/db]</c>, or <c>localhost:PORT</c> for silos on
/// one machine without a store.</summary>
/// <remarks>Printed without its password, wherever it is printed. One that is not in the address is taken from the
/// environment (<see cref="PasswordVariable"/>), where no list of processes shows it.</remarks>
public sealed class ClusterAddress
{
    public const string PasswordVariable = "BACKPROP_REDIS_PASSWORD";

    internal const string Id = "backprop";
    private static readonly TimeSpan ConnectBound = TimeSpan.FromSeconds(5);

    private readonly string shown;
    private readonly string? password;
    private readonly DnsEndPoint endPoint;

    private ClusterAddress(string shown, DnsEndPoint endPoint, bool isRedis, string? password, int database) =>
        (this.shown, this.endPoint, IsRedis, this.password, Database) = (shown, endPoint, isRedis, password, database);

    /// <summary>Whether the members and the runs are kept in Redis; else the first silo keeps the members and the run
    /// folder the runs.</summary>
    public bool IsRedis { get; }

    /// <summary>The first silo's port, where there is no store.</summary>
    public int FirstPort => endPoint.Port;

    internal int Database { get; }

    /// <summary>A cluster on this machine without a store.</summary>
    public static ClusterAddress Local(int firstPort) =>
        new(
            string.Create(CultureInfo.InvariantCulture, $"localhost:{firstPort}"),
            new DnsEndPoint("localhost", firstPort),
            isRedis: false,
            null,
            0
        );

    /// <summary>Reads an address; false if it is none.</summary>
    public static bool TryParse(string text, out ClusterAddress address)
    {
        address = null!;
        if (text.StartsWith("localhost:", StringComparison.Ordinal))
        {
            if (
                !int.TryParse(
                    text.AsSpan("localhost:".Length),
                    NumberStyles.None,
                    CultureInfo.InvariantCulture,
                    out var port
                ) || port is < 1 or > 65_535
            )
                return false;
            address = Local(port);
            return true;
        }

        if (
            !Uri.TryCreate(text, UriKind.Absolute, out var uri)
            || uri.Scheme != "redis"
            || uri.Host.Length == 0
            || uri.Port < 1
        )
            return false;
        var path = uri.AbsolutePath.Trim('/');
        var database = 0;
        if (path.Length > 0 && !int.TryParse(path, NumberStyles.None, CultureInfo.InvariantCulture, out database))
            return false;
        var colon = uri.UserInfo.IndexOf(':', StringComparison.Ordinal);
        if (uri.UserInfo.Length > 0 && colon != 0)
            return false;
        address = new(
            Shown(uri.Host, uri.Port, database),
            new DnsEndPoint(uri.Host, uri.Port),
            isRedis: true,
            uri.UserInfo.Length > 1 ? Uri.UnescapeDataString(uri.UserInfo[1..]) : FromEnvironment(),
            database
        );
        return true;
    }

    /// <summary>Connects to the store, which says early and clearly what Orleans would say late.</summary>
    /// <exception cref="ClusterUnreachableException">It does not answer, or not to this password.</exception>
    public async Task<IConnectionMultiplexer> Connect(CancellationToken cancellation = default)
    {
        try
        {
            // Connected now, or not at all; from then on it connects again by itself.
            var redis = await ConnectionMultiplexer.ConnectAsync(Options(abort: true)).WaitAsync(cancellation);
            await redis.GetDatabase().PingAsync();
            return redis;
        }
        catch (Exception e) when (e is RedisException or TimeoutException)
        {
            // StackExchange's own text names options; this one names nothing but the place.
            var refused =
                e is RedisServerException
                || e.Message.Contains("NOAUTH", StringComparison.Ordinal)
                || e.Message.Contains("WRONGPASS", StringComparison.Ordinal)
                || e is RedisConnectionException { FailureType: ConnectionFailureType.AuthenticationFailure };
            throw new ClusterUnreachableException(
                refused
                    ? $"{this} refuses the password{(password is null ? ": none was given" : "")}. Nothing was "
                        + $"started. Write redis://:password@host:port, or set {PasswordVariable}."
                    : $"{this} does not answer. Nothing was started. Start Redis there, or correct --cluster."
            );
        }
    }

    /// <summary>Lets a silo find the others.</summary>
    internal void Configure(ISiloBuilder silo, IConnectionMultiplexer? redis)
    {
        silo.Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = (Id, Id));
        if (redis is not null)
            silo.UseRedisClustering(options =>
                (options.ConfigurationOptions, options.CreateMultiplexer) = (
                    Options(abort: false),
                    _ => Task.FromResult((redis, true))
                )
            );
        else
            silo.UseDevelopmentClustering(new IPEndPoint(IPAddress.Loopback, FirstPort));
    }

    /// <summary>Lets a client find a silo.</summary>
    internal void Configure(IClientBuilder client, IConnectionMultiplexer? redis)
    {
        client.Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = (Id, Id));
        if (redis is not null)
            client.UseRedisClustering(options =>
                (options.ConfigurationOptions, options.CreateMultiplexer) = (
                    Options(abort: false),
                    _ => Task.FromResult((redis, true))
                )
            );
        else if (LocalGateway.Of(FirstPort) is null)
            throw new ClusterUnreachableException(
                $"no silo has been started at {this}. Nothing was started. Start one with: backprop silo --cluster "
                    + $"{this}"
            );
        else
            client.Services.AddSingleton<IGatewayListProvider>(new LocalGatewayList(FirstPort));
    }

    /// <summary>For the grain storage, which connects through what is connected already.</summary>
    internal ConfigurationOptions StorageOptions() => Options(abort: false);

    /// <summary>The whole address, its password too: for a child process, never for a person.</summary>
    public string Address =>
        password is null
            ? shown
            : shown.Replace("redis://", $"redis://:{Uri.EscapeDataString(password)}@", StringComparison.Ordinal);

    /// <summary>The address without its password.</summary>
    public override string ToString() => shown;

    /// <summary>Another database of the same Redis, without its password.</summary>
    internal string InDatabase(int database) => Shown(endPoint.Host, endPoint.Port, database);

    private static string Shown(string host, int port, int database) =>
        string.Create(CultureInfo.InvariantCulture, $"redis://{host}:{port}{(database > 0 ? $"/{database}" : "")}");

    private static string? FromEnvironment() =>
        Environment.GetEnvironmentVariable(PasswordVariable) is { Length: > 0 } given ? given : null;

    private ConfigurationOptions Options(bool abort) =>
        new()
        {
            EndPoints = { endPoint },
            Password = password,
            DefaultDatabase = Database,
            AbortOnConnectFail = abort,
            ConnectTimeout = (int)ConnectBound.TotalMilliseconds,
            ConnectRetry = 1,
            // Each second: its own policy waits longer and longer, and a silo would go on without a store that is long
            // back.
            ReconnectRetryPolicy = new LinearRetry(1_000),
            ClientName = Id,
        };
}

/// <summary>A cluster that cannot be talked to.</summary>
public sealed class ClusterUnreachableException(string message) : Exception(message);
