using System.CommandLine;
using System.Globalization;
using System.Net;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.Http;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>silo --cluster URL</c>: one member of a cluster, until a signal asks it to leave.</summary>
internal static class SiloVerb
{
    private static readonly TimeSpan LeaveBound = TimeSpan.FromSeconds(25);

    public static Command Create()
    {
        var cluster = Options.Cluster(required: true);
        var name = new Option<string?>("--name")
        {
            Description = "A name for people; the machine's and the port where none is given.",
        };
        var siloPort = Port(
            "--silo-port",
            "Where other silos reach it; 0 takes a free one, or for the first silo " + "of localhost:PORT that port."
        );
        var gatewayPort = Port("--gateway-port", "Where clients reach it; 0 takes a free one.");
        var listen = Options.Listen();
        var httpPort = Port("--http-port", "Serves /health/live and /health/ready; 0 serves nothing.");
        var hasDashboard = new Option<bool>("--orleans-dashboard")
        {
            Description =
                $"Serve Orleans' dashboard at /orleans of --http-port. Where --listen opens it beyond loopback, "
                + $"{DashboardGuard.TokenVariable} has to hold a token.",
        };
        var traceOrleans = new Option<bool>("--trace-orleans")
        {
            Description =
                "Carry traces with every call, for Orleans' own spans of runs with trace.orleans; each call is dearer.",
        };
        var directory = Options.RunDirectory();
        var silo = new Command("silo", "Be one member of a cluster; leaves it cleanly at SIGTERM or Ctrl-C")
        {
            cluster,
            name,
            siloPort,
            gatewayPort,
            listen,
            httpPort,
            hasDashboard,
            traceOrleans,
            directory,
        };
        silo.SetAction(
            (parsed, cancellation) =>
            {
                var options = new ClusterSiloOptions
                {
                    Cluster = parsed.GetValue(cluster)!,
                    Name = parsed.GetValue(name),
                    SiloPort = parsed.GetValue(siloPort),
                    GatewayPort = parsed.GetValue(gatewayPort),
                    Listen = parsed.GetValue(listen)!,
                    RunDirectory = parsed.GetValue(directory)!,
                    Configure = builder =>
                    {
                        builder.Services.AddLogging(Log);
                        if (parsed.GetValue(hasDashboard))
                            OrleansDashboard.AddTo(builder);
                        if (parsed.GetValue(traceOrleans))
                            builder.AddActivityPropagation();
                    },
                };
                return Run(
                    options,
                    parsed.GetValue(httpPort),
                    parsed.GetValue(hasDashboard),
                    parsed.GetValue(traceOrleans),
                    cancellation
                );
            }
        );
        return silo;
    }

    private static Option<int> Port(string name, string description) =>
        Options.WholeNumber(name, description, 0, 0, 65_535);

    private static void Log(ILoggingBuilder logging) =>
        logging
            .SetMinimumLevel(LogLevel.Warning)
            // Orleans warns of what is ordinary here: a silo that was started again, a watchdog that waits since the
            // machine booted.
            .AddFilter("Orleans", LogLevel.Error)
            .AddFilter("BackpropCluster", LogLevel.Information)
            // Orleans' retries of calls to silos that are gone: each a page long, and what comes of it is said by the
            // run.
            .AddFilter("Polly", LogLevel.None)
            // What it throws is said by whoever asked it, once and without a stack trace.
            .AddFilter("Orleans.Persistence", LogLevel.None)
            // That the others declared it dead is said once, by this program.
            .AddFilter("Orleans.Runtime.MembershipService.MembershipTableManager", LogLevel.None)
            // A silo that leaves calls off what it had asked, of itself too.
            .AddFilter("Orleans.Runtime.GrainCallCancellationManager", LogLevel.None)
            // A call to a silo that is just leaving: whoever called asks again.
            .AddFilter("Orleans.Runtime.Placement", LogLevel.None)
            .AddSimpleConsole(console =>
                (console.SingleLine, console.TimestampFormat, console.UseUtcTimestamp) = (true, "HH:mm:ss ", true)
            )
            .Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);

    private static async Task<int> Run(
        ClusterSiloOptions options,
        int httpPort,
        bool hasDashboard,
        bool traceOrleans,
        CancellationToken cancellation
    )
    {
        // The first silo's address is loopback then: one that told others another address would wait for itself for
        // ever.
        if (!options.Cluster.IsRedis && !IPAddress.IsLoopback(options.Listen))
            throw new CommandFailedException(
                ExitCode.Usage,
                $"--listen {options.Listen} needs a cluster with Redis: silos of {options.Cluster} are on one "
                    + $"machine. Nothing was started. Leave --listen out, or use Redis."
            );
        TelemetryExport.Endpoints();
        ClusterSilo? silo = null;
        TelemetryExport? export = null;
        var dashboard = hasDashboard ? Dashboard(options.Listen, httpPort, () => silo?.Grains) : null;
        await using var http =
            httpPort == 0
                ? null
                : await HttpServer.Start(options.Listen, httpPort, () => silo?.IsActive == true, dashboard);
        try
        {
            silo = await ClusterSilo.Start(options, cancellation);
            // By the name that the cluster knows it by, which it has only now.
            export = TelemetryExport.FromEnvironment(silo.Details.Name, traceOrleans);
            Say(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"silo {silo.Details.Name} is a member of {options.Cluster} "
                        + $"({string.Join(", ", silo.Members.Order(StringComparer.Ordinal))}); silos reach it at "
                        + $"{silo.Details.SiloAddress.Endpoint}, clients at {silo.Details.GatewayAddress?.Endpoint}"
                )
            );
            if (hasDashboard)
                Say($"Orleans' dashboard: http://{new IPEndPoint(options.Listen, httpPort)}{OrleansDashboard.Path}/");
            await Until(silo.Ends, cancellation);
            var name = silo.Details.Name;
            if (silo.Ends.IsCompleted)
            {
                var lost = await silo.WhyItEnds();
                // It is none of them any more: what it would say on its way out nobody hears.
                silo = null;
                throw new CommandFailedException(ExitCode.ClusterLost, $"silo {name} {lost} Start it again.");
            }

            Say($"silo {name} gives its shards away");
            Say(
                $"silo {name} has left"
                    + $"{(await silo.Leave(LeaveBound) ? "" : "; some runs had not moved their actors and recover")}"
            );
        }
        finally
        {
            if (silo is not null)
                await silo.DisposeAsync();
            export?.Dispose();
        }

        return ExitCode.Done;
    }

    private static OrleansDashboard Dashboard(IPAddress listen, int httpPort, Func<IGrainFactory?> grains) =>
        httpPort > 0
            ? new(DashboardGuard.For(listen, Environment.GetEnvironmentVariable(DashboardGuard.TokenVariable)), grains)
            : throw new CommandFailedException(
                ExitCode.Usage,
                "--orleans-dashboard is served on --http-port, which was not given. Nothing was started. Add it, "
                    + "such as --http-port 8080."
            );

    private static async Task Until(Task ends, CancellationToken cancellation)
    {
        var asked = new TaskCompletionSource();
        await using var registration = cancellation.UnsafeRegister(_ => asked.TrySetResult(), null);
        await Task.WhenAny(asked.Task, ends);
    }

    private static void Say(string line) => System.Console.Error.WriteLine(line);
}
