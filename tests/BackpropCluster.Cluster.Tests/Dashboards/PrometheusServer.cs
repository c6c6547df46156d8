using System.Globalization;
using System.Text.Json;
using BackpropCluster.ClusterTests.Processes;

namespace BackpropCluster.ClusterTests.Dashboards;

/// <summary>Debian's Prometheus on loopback, with a folder of its own, which scrapes one address each second.</summary>
internal sealed class PrometheusServer : IAsyncDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-prometheus-");
    private readonly HttpClient client = new();
    private Child? server;

    private PrometheusServer() { }

    public static async Task<PrometheusServer> Start(string target)
    {
        var prometheus = new PrometheusServer();
        var file = Path.Combine(prometheus.folder.FullName, "prometheus.yml");
        await File.WriteAllTextAsync(
            file,
            $$"""
            global: { scrape_interval: 1s, scrape_timeout: 1s }
            scrape_configs: [ { job_name: dashboards, honor_labels: true, static_configs: [ { targets: ["{{target}}"] } ] } ]

            """
        );
        var address = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{RedisServer.FreePort()}");
        prometheus.client.BaseAddress = new Uri($"http://{address}/");
        prometheus.server = Child.Start(
            "prometheus",
            prometheus.folder.FullName,
            $"--config.file={file}",
            $"--web.listen-address={address}",
            $"--storage.tsdb.path={prometheus.folder.FullName}/data",
            "--query.lookback-delta=30s"
        );
        await prometheus.server.Says("Server is ready to receive web requests");
        return prometheus;
    }

    /// <summary>What the last scrape met, if not success.</summary>
    public async Task<string> ScrapeError()
    {
        using var json = JsonDocument.Parse(await client.GetStringAsync(new Uri("api/v1/targets", UriKind.Relative)));
        return json
            .RootElement.GetProperty("data")
            .GetProperty("activeTargets")[0]
            .GetProperty("lastError")
            .GetString()!;
    }

    /// <summary>How many numbers a panel would draw.</summary>
    /// <param name="query">The panel's query.</param>
    /// <param name="from">The time on its left.</param>
    /// <param name="to">The time on its right.</param>
    /// <returns>Numbers that are neither infinite nor NaN, which Grafana leaves out.</returns>
    /// <exception cref="InvalidDataException">Prometheus did not understand the query.</exception>
    public async Task<int> Count(string query, DateTime from, DateTime to)
    {
        var url = FormattableString.Invariant(
            $"api/v1/query_range?step=1&start={Seconds(from)}&end={Seconds(to)}&query={Uri.EscapeDataString(query)}"
        );
        using var response = await client.GetAsync(new Uri(url, UriKind.Relative));
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        if (json.RootElement.GetProperty("status").GetString() != "success")
            throw new InvalidDataException($"{query}: {json.RootElement}");
        return json
            .RootElement.GetProperty("data")
            .GetProperty("result")
            .EnumerateArray()
            .SelectMany(series => series.GetProperty("values").EnumerateArray())
            .Count(value => value[1].GetString() is not ("+Inf" or "-Inf" or "NaN"));
    }

    public async ValueTask DisposeAsync()
    {
        if (server is not null)
            await server.DisposeAsync();
        client.Dispose();
        folder.Delete(recursive: true);
    }

    private static long Seconds(DateTime time) => new DateTimeOffset(time).ToUnixTimeSeconds();
}
