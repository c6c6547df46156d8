using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Dashboard;
using Orleans.Hosting;
using Orleans.Serialization;

namespace BackpropCluster.Cli.Http;

/// <summary>Orleans' own dashboard of the silos that count for it.</summary>
/// <remarks>The silo has the grains that count, the HTTP server only the pages: it asks those grains as a client
/// would.</remarks>
/// <param name="guard">Who may see it.</param>
/// <param name="grains">The silo's grains; <see langword="null"/> until it has started.</param>
internal sealed class OrleansDashboard(DashboardGuard guard, Func<IGrainFactory?> grains)
{
    /// <summary>Where it is served.</summary>
    public const string Path = "/orleans";

    /// <summary>Lets a silo count.</summary>
    public static void AddTo(ISiloBuilder silo)
    {
        // No list of this program's parts names the package (see the project file): its grains and messages are known
        // from here on.
        silo.Services.AddSerializer(parts => parts.AddAssembly(typeof(DashboardOptions).Assembly));
        silo.AddDashboard();
    }

    /// <summary>Adds what the pages need.</summary>
    public void AddTo(IServiceCollection services)
    {
        services.AddSingleton(_ => grains() ?? throw new InvalidOperationException("the silo has not started"));
        // The log is on the silo's standard error, for those who may read that.
        new Pages(services).AddDashboard(options => options.HideTrace = true);
    }

    public void MapTo(IEndpointRouteBuilder app) =>
        ((IEndpointConventionBuilder)app.MapOrleansDashboard(Path)).Finally(endpoint =>
        {
            // Round the endpoint itself, not before it by its path: whatever way a request comes to a page, it comes by
            // the guard.
            var page = endpoint.RequestDelegate!;
            endpoint.RequestDelegate = context =>
                guard.Admits(context) && IsStarted(context) ? page(context) : Task.CompletedTask;
        });

    private bool IsStarted(HttpContext context)
    {
        if (grains() is not null)
            return true;
        context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        return false;
    }

    /// <summary>Services to which the package adds its pages.</summary>
    private sealed class Pages(IServiceCollection services) : IClientBuilder
    {
        public IServiceCollection Services => services;

        public IConfiguration Configuration { get; } = new ConfigurationBuilder().Build();
    }
}
