using System.Text.Json;
using BackpropCluster.Tests.Deploy;

namespace BackpropCluster.Tests.Dashboards;

/// <summary>Prometheus itself reads the dashboards' queries and its own settings.</summary>
public sealed class PromtoolTests
{
    public PromtoolTests() => Promtool.Need();

    [Fact]
    public async Task EveryQueryParses()
    {
        var queries = Dashboard.ReadAll(DeployFiles.Root).SelectMany(d => d.Queries).ToList();
        Assert.True(queries.Count >= 40, $"only {queries.Count} queries were found");
        var (code, output) = await Promtool.Check("rules", Rules(queries));
        Assert.True(code == 0, output);
        Assert.Contains($"{queries.Count} rules found", output, StringComparison.Ordinal);
    }

    /// <summary>Else a parser that accepts everything would do.</summary>
    [
        Theory,
        InlineData("sum by (x) rate(a[1m])"),
        InlineData("rate(a)"),
        InlineData("nonsense(a)"),
        InlineData("a{b=}")
    ]
    public async Task ABrokenQueryWouldBeFound(string query) =>
        Assert.NotEqual(0, (await Promtool.Check("rules", Rules([query]))).Code);

    /// <summary>Debian's Prometheus is older than OTLP, so that section is left out; <see cref="ObservabilityTests"/>
    /// reads it.</summary>
    [Fact]
    public async Task PrometheusAcceptsItsSettings()
    {
        var lines = await File.ReadAllLinesAsync(
            DeployFiles.PathOf("deploy/prometheus/prometheus.yml"),
            TestContext.Current.CancellationToken
        );
        var start = Array.IndexOf(lines, "otlp:");
        Assert.True(start >= 0, "deploy/prometheus/prometheus.yml has no section otlp");
        var end = Array.FindIndex(lines, start + 1, line => line.Length > 0 && line[0] != ' ');
        var (code, output) = await Promtool.Check(
            "config",
            string.Join('\n', lines[..start].Concat(lines[end..])) + "\n"
        );
        Assert.True(code == 0, output);
    }

    // JSON is YAML.
    private static string Rules(IEnumerable<string> queries) =>
        JsonSerializer.Serialize(
            new
            {
                groups = new[]
                {
                    new
                    {
                        name = "dashboards",
                        rules = queries
                            .Select((query, i) => new { record = $"query:{i}", expr = Dashboard.Filled(query, "1m") })
                            .ToArray(),
                    },
                },
            }
        );
}
