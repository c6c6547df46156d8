using System.Net;
using System.Net.Http.Headers;
using System.Text;
using BackpropCluster.Cli.Http;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Coordination;
using Microsoft.AspNetCore.Http;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary><c>silo --orleans-dashboard</c>: there when it is asked for, and beyond loopback only for those who have
/// the token.</summary>
public sealed class OrleansDashboardTests : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    // Each of its odd letters means something else in one of the two headers that it may come in.
    private readonly string token = $"T:{Guid.NewGuid():N}=,+/\"end";
    private readonly string url = $"localhost:{RedisServer.FreePort()}";
    private readonly int port = RedisServer.FreePort();
    private readonly Backprop backprop = new();

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task ItShowsTheSilosAndCountsTheCallsOfARun()
    {
        await using var silo = await SiloProcess.Start(
            url,
            "seen",
            backprop.Folder,
            "--http-port",
            $"{port}",
            "--orleans-dashboard"
        );
        var (status, type, page) = await Get("/orleans");
        Assert.Equal((HttpStatusCode.OK, "text/html"), (status, type));
        Assert.Contains("<html", page, StringComparison.Ordinal);

        // The first question about the grains begins the count.
        await Shows("/orleans/DashboardCounters", "\"siloName\":\"seen\"", silo);
        ProcessRuns.Write(backprop.Folder);
        var run = (
            await backprop.Run("train", "seven.yaml", "--set", "cluster.silos=1", "--cluster", url, "--json")
        ).Json;
        Assert.Equal(
            ProcessRuns.Reference(RunFileLoader.Load(Path.Combine(backprop.Folder, "seven.yaml"), null)).WeightsSha256,
            run.GetProperty("weightsSha256").GetString()
        );
        await Shows("/orleans/TopGrainMethods", "ShardGrain", silo);
        await Shows("/orleans/DashboardCounters", "BackpropCluster.Grains.Coordination.CoordinatorGrain", silo);

        Assert.Equal(HttpStatusCode.Forbidden, (await Get("/orleans/Trace")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await Get("/orleans/", host: "rebound.example")).Status);
        Assert.Equal(HttpStatusCode.OK, (await Get("/health/ready", host: "rebound.example")).Status);
        Assert.Equal(0, (await silo.Leave()).ExitCode);
    }

    [Fact]
    public async Task WithoutTheFlagNothingOfItIsThere()
    {
        var seen = RedisServer.FreePort();
        await using var first = await SiloProcess.Start(
            url,
            "seen",
            backprop.Folder,
            "--http-port",
            $"{seen}",
            "--orleans-dashboard"
        );
        await using var second = await SiloProcess.Start(url, "plain", backprop.Folder, "--http-port", $"{port}");
        foreach (var path in new[] { "/orleans", "/orleans/", "/orleans/DashboardCounters" })
            Assert.Equal(HttpStatusCode.NotFound, (await Get(path)).Status);
        Assert.True(IsLoaded(first), "what tells whether it is loaded does not");
        Assert.False(IsLoaded(second), "a silo without the dashboard loads it");

        // It is seen by one that has it, and the dashboard's grains are not put where nothing can answer for them.
        await Shows("/orleans/DashboardCounters", "\"siloName\":\"plain\"", first, seen);
        Assert.Equal((0, 0), ((await second.Leave()).ExitCode, (await first.Leave()).ExitCode));
    }

    [Fact]
    public async Task ItIsNotOpenedToEverybody()
    {
        string[] silo = ["silo", "--cluster", "redis://127.0.0.1:1", "--orleans-dashboard"];
        var refused = await Task.WhenAll(
            backprop.Run([(DashboardGuard.TokenVariable, token)], null, silo),
            backprop.Run(
                [(DashboardGuard.TokenVariable, "")],
                null,
                [.. silo, "--http-port", $"{port}", "--listen", "0.0.0.0"]
            ),
            backprop.Run([(DashboardGuard.TokenVariable, token + "\n")], null, [.. silo, "--http-port", $"{port}"])
        );
        Mistake.Assert(
            refused[0],
            2,
            "--orleans-dashboard is served on --http-port, which was not given. Nothing was started."
        );
        Mistake.Assert(
            refused[1],
            2,
            "--listen 0.0.0.0 would show Orleans' dashboard to everybody",
            "BACKPROP_DASHBOARD_TOKEN is not set. Nothing was started. Set it to "
        );
        Mistake.Assert(
            refused[2],
            2,
            "BACKPROP_DASHBOARD_TOKEN holds a space, a line's end or a letter beyond ASCII",
            "Nothing was started."
        );
        foreach (var ended in refused)
            Mistake.AssertSecret(token, ended.Talk, "what was said");
        Assert.Empty(backprop.LeftBehind);
    }

    [Fact]
    public async Task BeyondLoopbackItNeedsTheToken()
    {
        RedisServer.Need();
        await using var redis = await RedisServer.Start();
        await using var silo = Child.Start(
            "env",
            backprop.Folder,
            $"{DashboardGuard.TokenVariable}={token}",
            "dotnet",
            Backprop.Program,
            "silo",
            "--cluster",
            redis.Url(),
            "--listen",
            "0.0.0.0",
            "--http-port",
            $"{port}",
            "--orleans-dashboard"
        );
        await silo.Says("Orleans' dashboard: ");
        foreach (
            var path in new[]
            {
                "/orleans",
                "/orleans/",
                "/ORLEANS/index.html",
                "/orleans/index.min.js",
                "/orleans/DashboardCounters",
                "/orleans/GrainTypes",
            }
        )
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await Get(path)).Status);
            foreach (var wrong in new[] { Bearer(token + "x"), Basic("anybody", token[..^1]) })
                Assert.Equal(HttpStatusCode.Unauthorized, (await Get(path, wrong)).Status);
        }

        foreach (var right in new[] { Bearer(token), Basic("anybody", token) })
        {
            Assert.Equal(
                (HttpStatusCode.OK, "text/html"),
                ((await Get("/orleans/", right)).Status, (await Get("/orleans/", right)).Type)
            );
            Assert.Contains(
                "CoordinatorGrain",
                (await Get("/orleans/GrainTypes", right)).Text,
                StringComparison.Ordinal
            );
        }

        Assert.Equal(
            (HttpStatusCode.OK, HttpStatusCode.OK),
            (await Health.Get(port, "live"), await Health.Get(port, "ready"))
        );
        silo.Signal("TERM");
        var ended = await silo.Ends();
        Assert.Equal(0, ended.ExitCode);
        Mistake.AssertSecret(token, ended.Output + ended.Talk, "what the silo said");
    }

    [Theory]
    [InlineData("127.0.0.1", null, "localhost:80", null, null)]
    [InlineData("127.0.0.1", "", "LOCALHOST", null, null)]
    [InlineData("::1", null, "[::1]:80", null, null)]
    [InlineData("127.0.0.1", null, "127.0.0.1.rebound.example", null, 403)]
    [InlineData("127.0.0.1", null, "localhost.rebound.example", null, 403)]
    [InlineData("127.0.0.1", null, "192.0.2.1", null, 403)]
    [InlineData("127.0.0.1", null, "", null, 403)]
    [InlineData("127.0.0.1", "secret", "localhost", null, 401)]
    [InlineData("127.0.0.1", "secret", "localhost", "Bearer secret", null)]
    [InlineData("127.0.0.1", "secret", "rebound.example", "Bearer secret", 403)]
    [InlineData("0.0.0.0", "secret", "any.example", "bearer secret", null)]
    [InlineData("::", "secret", "any.example", "Basic OnNlY3JldA==", null)] // ":secret"
    [InlineData("::", "secret", "any.example", "Basic c2VjcmV0", 401)] // "secret"
    [InlineData("192.0.2.1", "secret", "any.example", "Basic secret", 401)]
    [InlineData("192.0.2.1", "secret", "any.example", "Basic !", 401)]
    [InlineData("192.0.2.1", "secret", "any.example", "Bearer Secret", 401)]
    [InlineData("192.0.2.1", "secret", "any.example", "Bearer ", 401)]
    [InlineData("192.0.2.1", "secret", "any.example", "secret", 401)]
    [InlineData("192.0.2.1", "secret", "localhost", "", 401)]
    public void WhoIsAdmitted(string listen, string? secret, string host, string? authorization, int? refusal)
    {
        var context = new DefaultHttpContext();
        (context.Request.Host, context.Request.Headers.Authorization) = (new HostString(host), authorization);
        Assert.Equal(refusal is null, DashboardGuard.For(IPAddress.Parse(listen), secret).Admits(context));
        Assert.Equal(refusal ?? 200, context.Response.StatusCode);
        // By this header a browser knows that it has to ask for a password.
        Assert.Equal(
            refusal == 401 ? "Basic realm=\"backprop\"" : "",
            context.Response.Headers.WWWAuthenticate.ToString()
        );
    }

    private static AuthenticationHeaderValue Bearer(string token) => new("Bearer", token);

    private static AuthenticationHeaderValue Basic(string user, string password) =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}")));

    private static bool IsLoaded(SiloProcess silo) =>
        File.ReadAllText($"/proc/{silo.Process.Id}/maps") is var maps
        && maps.Contains("/BackpropCluster.Grains.dll", StringComparison.Ordinal)
        && maps.Contains("/Orleans.Dashboard.dll", StringComparison.Ordinal);

    private async Task<(HttpStatusCode Status, string? Type, string Text)> Get(
        string path,
        AuthenticationHeaderValue? authorization = null,
        string? host = null,
        int? at = null
    )
    {
        using var http = new HttpClient { Timeout = Bound };
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"http://127.0.0.1:{at ?? port}{path}"));
        (request.Headers.Authorization, request.Headers.Host) = (authorization, host);
        using var answer = await http.SendAsync(request, TestContext.Current.CancellationToken);
        return (
            answer.StatusCode,
            answer.Content.Headers.ContentType?.MediaType,
            await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)
        );
    }

    // The dashboard looks at its silos once a second, when it is asked.
    private async Task Shows(string path, string text, SiloProcess silo, int? at = null)
    {
        using var bound = new CancellationTokenSource(Bound);
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (await Get(path, at: at) is var got && !got.Text.Contains(text, StringComparison.Ordinal))
        {
            Assert.False(
                bound.IsCancellationRequested,
                $"{path} did not show '{text}' within {Bound.TotalSeconds} s, it is {got.Status}: {got.Text}; the "
                    + $"silo said: {silo.Process.Diagnostics}"
            );
            await pause.WaitForNextTickAsync(CancellationToken.None);
        }
    }
}
