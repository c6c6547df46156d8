using System.Net;
using BackpropCluster.Grains.Clustering;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace BackpropCluster.Cli.Http;

/// <summary>Answers whether a silo lives and whether it takes part: <c>/health/live</c>, <c>/health/ready</c>; and
/// shows Orleans' dashboard where it is asked for.</summary>
internal static class HttpServer
{
    /// <exception cref="PortTakenException">The port is in use.</exception>
    public static async Task<IAsyncDisposable> Start(
        IPAddress listen,
        int port,
        Func<bool> isReady,
        OrleansDashboard? dashboard
    )
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(listen, port));
        builder.Services.AddRoutingCore().AddSingleton<IHostLifetime, NoLifetime>();
        dashboard?.AddTo(builder.Services);
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.MapGet("/health/live", () => Results.Text("live"));
        app.MapGet(
            "/health/ready",
            () =>
                isReady()
                    ? Results.Text("ready")
                    : Results.Text("not a member", statusCode: StatusCodes.Status503ServiceUnavailable)
        );
        dashboard?.MapTo(app);
        try
        {
            await app.StartAsync();
        }
        catch (IOException e)
        {
            await app.DisposeAsync();
            throw new PortTakenException(port, listen, "--http-port", e.GetBaseException());
        }

        return app;
    }
}
