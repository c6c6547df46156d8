using System.Net;
using System.Net.Sockets;
using BackpropCluster.Grains.Silos;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Runtime;

namespace BackpropCluster.Grains.Clustering;

/// <summary>Some silos inside this process, talking over loopback as silos on several machines would.</summary>
public sealed class EmbeddedCluster : IAsyncDisposable
{
    private readonly List<SiloHost> hosts = [];

    private EmbeddedCluster() { }

    public IGrainFactory Grains => hosts[0].Get<IGrainFactory>();

    /// <summary>The silos as placements name them.</summary>
    public string[] Silos => [.. hosts.Select(host => host.Get<ILocalSiloDetails>().SiloAddress.ToParsableString())];

    /// <summary>Starts the silos; all are members when it returns.</summary>
    /// <param name="silos">How many.</param>
    /// <param name="firstPort">The first silo listens here, the next one port above, and so on; <see langword="null"/>
    /// takes free ports.</param>
    /// <param name="configure">Further services of each silo.</param>
    /// <param name="traceOrleans">Whether calls carry their trace for Orleans' own spans, which makes each
    /// dearer.</param>
    /// <param name="cancellation">Ends the start: silos that stand already leave.</param>
    /// <exception cref="PortTakenException">One of the ports is in use. Nothing was started.</exception>
    public static async Task<EmbeddedCluster> Start(
        int silos,
        int? firstPort = null,
        Action<IServiceCollection>? configure = null,
        bool traceOrleans = false,
        CancellationToken cancellation = default
    )
    {
        var ports = Ports(silos, firstPort);
        // A new id each time: a cluster that ended a moment ago in the same ports must not be mistaken for this one.
        var clusterId = $"backprop-{Environment.ProcessId}-{ports[0]}";
        var cluster = new EmbeddedCluster();
        try
        {
            // One after the other: two that join at once both write the membership table, and the loser waits 2.5
            // seconds before it tries again. The first silo keeps that table.
            for (var i = 0; i < silos; i++)
            {
                cluster.hosts.Add(BuildHost(i, ports, clusterId, configure, traceOrleans));
                await cluster.hosts[i].Start(cancellation);
            }

            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        // The first silo last: the others say goodbye to its membership table.
        await Task.WhenAll(hosts.Skip(1).Select(host => host.DisposeAsync().AsTask()));
        if (hosts.Count > 0)
            await hosts[0].DisposeAsync();
        hosts.Clear();
    }

    private static SiloHost BuildHost(
        int index,
        int[] ports,
        string clusterId,
        Action<IServiceCollection>? configure,
        bool traceOrleans
    )
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        configure?.Invoke(builder.Services);
        // The host's own would stop the silos at the very signal that asks their run to be saved.
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.UseOrleans(silo =>
        {
            silo.UseLocalhostClustering(
                ports[index],
                gatewayPort: 0,
                new IPEndPoint(IPAddress.Loopback, ports[0]),
                serviceId: "backprop",
                clusterId
            );
            silo.Configure<SiloOptions>(options => options.SiloName = $"silo-{index + 1}");
            silo.AddBackprop();
            if (traceOrleans)
                silo.AddActivityPropagation();
        });
        return new SiloHost(builder.Build());
    }

    private static int[] Ports(int count, int? first)
    {
        var listeners = new List<TcpListener>();
        try
        {
            for (var i = 0; i < count; i++)
            {
                var port = first is { } f ? f + i : 0;
                var listener = new TcpListener(IPAddress.Loopback, port);
                try
                {
                    listener.Start();
                }
                catch (SocketException e)
                {
                    listener.Dispose();
                    throw new PortTakenException(port, IPAddress.Loopback, "--silo-port", e);
                }

                listeners.Add(listener);
            }

            return [.. listeners.Select(l => ((IPEndPoint)l.LocalEndpoint).Port)];
        }
        finally
        {
            foreach (var listener in listeners)
                listener.Dispose();
        }
    }
}

/// <summary>Leaves signals to the program.</summary>
public sealed class NoLifetime : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
