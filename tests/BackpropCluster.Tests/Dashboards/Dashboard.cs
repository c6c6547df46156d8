using System.Text.Json;

namespace BackpropCluster.Tests.Dashboards;

/// <summary>One query of a panel.</summary>
/// <param name="Query">PromQL with Grafana's variables; empty where the datasource is not Prometheus.</param>
/// <param name="Legend">What a line is called; <c>{{label}}</c> stands for a label's value.</param>
/// <param name="Source">The datasource's uid.</param>
internal sealed record Target(string Query, string Legend, string Source);

/// <summary>What a test asks about a panel.</summary>
internal sealed record Panel(
    string Title,
    string Description,
    string? Unit,
    string Source,
    (int X, int Y, int Width, int Height) Place,
    IReadOnlyList<Target> Targets
);

/// <summary>A file of <c>dashboards/</c>.</summary>
internal sealed record Dashboard(
    string File,
    string Uid,
    string Title,
    int Schema,
    IReadOnlyList<Panel> Panels,
    IReadOnlyList<(string Name, string Query)> Variables,
    IReadOnlyList<string> Links
)
{
    public IEnumerable<string> Queries =>
        Panels.SelectMany(p => p.Targets).Select(t => t.Query).Where(q => q.Length > 0);

    /// <summary>Reads all of them.</summary>
    /// <param name="root">The repository's root.</param>
    public static IReadOnlyList<Dashboard> ReadAll(string root) =>
        [.. Directory.GetFiles(Path.Combine(root, "dashboards"), "*.json").Order(StringComparer.Ordinal).Select(Read)];

    /// <summary>A query with Grafana's variables replaced.</summary>
    /// <param name="query">From a panel.</param>
    /// <param name="rateInterval">For <c>$__rate_interval</c>.</param>
    public static string Filled(string query, string rateInterval) =>
        query
            .Replace("$__rate_interval", rateInterval, StringComparison.Ordinal)
            .Replace("$instance", ".*", StringComparison.Ordinal);

    private static Dashboard Read(string path)
    {
        using var document = JsonDocument.Parse(System.IO.File.ReadAllBytes(path));
        var root = document.RootElement;
        return new Dashboard(
            Path.GetFileName(path),
            Text(root, "uid"),
            Text(root, "title"),
            root.GetProperty("schemaVersion").GetInt32(),
            [.. root.GetProperty("panels").EnumerateArray().Select(ReadPanel)],
            [
                .. root.GetProperty("templating")
                    .GetProperty("list")
                    .EnumerateArray()
                    .Select(v => (Text(v, "name"), Text(v.GetProperty("query"), "query"))),
            ],
            [.. LinksOf(root)]
        );
    }

    private static Panel ReadPanel(JsonElement panel)
    {
        var (defaults, place) = (
            panel.GetProperty("fieldConfig").GetProperty("defaults"),
            panel.GetProperty("gridPos")
        );
        int At(string name) => place.GetProperty(name).GetInt32();
        return new Panel(
            Text(panel, "title"),
            Text(panel, "description"),
            defaults.TryGetProperty("unit", out var unit) ? unit.GetString() : null,
            Text(panel.GetProperty("datasource"), "uid"),
            (At("x"), At("y"), At("w"), At("h")),
            [
                .. panel
                    .GetProperty("targets")
                    .EnumerateArray()
                    .Select(t => new Target(
                        Text(t, "expr"),
                        Text(t, "legendFormat"),
                        Text(t.GetProperty("datasource"), "uid")
                    )),
            ]
        );
    }

    // Of the dashboard and of its panels, wherever they stand.
    private static IEnumerable<string> LinksOf(JsonElement element) =>
        element.ValueKind switch
        {
            JsonValueKind.Object => element
                .EnumerateObject()
                .SelectMany(p =>
                    p is { Name: "url", Value.ValueKind: JsonValueKind.String }
                        ? [p.Value.GetString()!]
                        : LinksOf(p.Value)
                )
                .Where(url => url.Length > 0),
            JsonValueKind.Array => element.EnumerateArray().SelectMany(LinksOf),
            _ => [],
        };

    private static string Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) ? value.GetString() ?? "" : "";
}
