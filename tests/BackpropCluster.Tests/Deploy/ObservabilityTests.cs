using System.Globalization;
using BackpropCluster.Tests.Dashboards;
using YamlDotNet.RepresentationModel;

namespace BackpropCluster.Tests.Deploy;

/// <summary>What shows metrics and traces: who sends where, who is seen from the host, and that everything is there
/// without a click.</summary>
public sealed class ObservabilityTests
{
    private const string Provisioning = "deploy/grafana/provisioning";

    private static readonly YamlNode Prometheus = Assert.Single(
        Yaml.Read(DeployFiles.PathOf("deploy/prometheus/prometheus.yml"))
    );
    private static readonly YamlNode Jaeger = Assert.Single(Yaml.Read(DeployFiles.PathOf("deploy/jaeger/config.yaml")));
    private static readonly IReadOnlyList<YamlNode> Datasources = Assert
        .Single(Yaml.Read(DeployFiles.PathOf($"{Provisioning}/datasources/datasources.yaml")))
        .Items("datasources");
    private static readonly YamlNode Provider = Assert.Single(
        Assert.Single(Yaml.Read(DeployFiles.PathOf($"{Provisioning}/dashboards/dashboards.yaml"))).Items("providers")
    );

    public static TheoryData<string, int> Screens() =>
        new()
        {
            { "prometheus", 9090 },
            { "jaeger", 16686 },
            { "grafana", 3000 },
        };

    /// <summary>Only a page to look at is published, and only to this machine: whoever reaches the ports of OTLP could
    /// write.</summary>
    [Theory, MemberData(nameof(Screens))]
    public void OnlyThePagesAreSeenAndOnlyOnLoopback(string name, int port) =>
        Assert.Equal(
            [string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{port}:{port}")],
            DeployFiles.Service(name).Texts("ports")
        );

    /// <summary>An internal fabric publishes nothing, so the pages have another one; nothing else is on it.</summary>
    [Fact]
    public void OnlyWhatHasAPageLeavesTheFabric()
    {
        Assert.Equal(["fabric", "screens"], DeployFiles.Compose.Keys("networks"));
        var outside = DeployFiles
            .Compose.Keys("services")
            .Where(name => DeployFiles.Service(name).Texts("networks").Contains("screens"));
        Assert.Equal(["prometheus", "jaeger", "grafana"], outside);
        // It asks the other two; it need not reach a silo or the store.
        Assert.Equal(["screens"], DeployFiles.Service("grafana").Texts("networks"));
    }

    [Theory, MemberData(nameof(Screens))]
    public void WhatIsMountedExistsAndCannotBeWritten(string name, int port)
    {
        Assert.True(port > 0);
        foreach (
            var volume in DeployFiles
                .Service(name)
                .Texts("volumes")
                .Select(v => v.Split(':'))
                .Where(v => !DeployFiles.Compose.Keys("volumes").Contains(v[0]))
        )
        {
            Assert.Equal("ro", volume[2]);
            Assert.True(
                Directory.Exists(DeployFiles.PathOf(volume[0])),
                $"{name} mounts {volume[0]}, which does not exist"
            );
        }
    }

    [Theory, InlineData("silo"), InlineData("train")]
    public void SilosAndClientsPushToWhoListens(string name)
    {
        var environment = DeployFiles.Service(name).Pairs("environment");
        Assert.Equal("http/protobuf", environment["OTEL_EXPORTER_OTLP_PROTOCOL"]);
        Assert.Equal(
            "http://prometheus:9090/api/v1/otlp/v1/metrics",
            environment["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"]
        );
        Assert.Contains("--web.enable-otlp-receiver", DeployFiles.Service("prometheus").Texts("command"));
        Assert.Equal("http://jaeger:4318/v1/traces", environment["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]);
        Assert.Equal("0.0.0.0:4318", Jaeger.Text("receivers", "otlp", "protocols", "http", "endpoint"));
        // Nobody waits for them: a training does not depend on being seen.
        Assert.All(
            DeployFiles.Service(name).Find("depends_on") is YamlMappingNode needs ? needs.Children.Keys : [],
            need => Assert.Contains(need.Text(), new[] { "redis", "silo" })
        );
    }

    /// <summary>A rate over fewer than two pushes is empty, so Grafana must know how often is pushed.</summary>
    [Fact]
    public void GrafanaKnowsHowOftenIsPushed()
    {
        var pushed = int.Parse(
            DeployFiles.Service("silo").Text("environment", "OTEL_METRIC_EXPORT_INTERVAL"),
            CultureInfo.InvariantCulture
        );
        Assert.Equal($"{pushed / 1000}s", Source("prometheus").Text("jsonData", "timeInterval"));
    }

    [Fact]
    public void DatasourcesAreThoseThatDashboardsName()
    {
        var used = Dashboard
            .ReadAll(DeployFiles.Root)
            .SelectMany(d => d.Panels)
            .Select(p => p.Source)
            .Distinct()
            .Order(StringComparer.Ordinal);
        Assert.Equal(used, Datasources.Select(d => d.Text("uid")).Order(StringComparer.Ordinal));
        Assert.Equal(
            ("prometheus", "http://prometheus:9090"),
            (Source("prometheus").Text("type"), Source("prometheus").Text("url"))
        );
        Assert.Equal(("jaeger", "http://jaeger:16686"), (Source("jaeger").Text("type"), Source("jaeger").Text("url")));
        Assert.Equal(
            DeployFiles.Service("prometheus").Text("image").Split(":v")[1],
            Source("prometheus").Text("jsonData", "prometheusVersion")
        );
    }

    [Fact]
    public void DashboardsAreFoundWhereTheyAreMounted()
    {
        var mounts = DeployFiles
            .Service("grafana")
            .Texts("volumes")
            .Select(v => v.Split(':'))
            .ToDictionary(v => v[1], v => v[0]);
        Assert.Equal("./dashboards", mounts[Provider.Text("options", "path")]);
        Assert.Equal($"./{Provisioning}", mounts["/etc/grafana/provisioning"]);
        var home = DeployFiles.Service("grafana").Text("environment", "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH");
        Assert.StartsWith(Provider.Text("options", "path") + "/", home, StringComparison.Ordinal);
        Assert.True(File.Exists(DeployFiles.PathOf($"dashboards/{Path.GetFileName(home)}")));
        // A change in the browser would be lost without a word.
        Assert.Equal("false", Provider.Text("allowUiUpdates"));
    }

    [Fact]
    public void WhoeverLooksMayOnlyLook()
    {
        var environment = DeployFiles.Service("grafana").Pairs("environment");
        Assert.Equal("Viewer", environment["GF_AUTH_ANONYMOUS_ORG_ROLE"]);
        // Without these the first visitor could log in as admin with the password that everybody knows.
        Assert.Equal("true", environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"]);
        Assert.Equal("false", environment["GF_AUTH_BASIC_ENABLED"]);
        Assert.Equal("true", environment["GF_AUTH_DISABLE_LOGIN_FORM"]);
        Assert.DoesNotContain(environment.Keys, key => key.Contains("PASSWORD", StringComparison.Ordinal));
    }

    [Fact]
    public void LinksToTracesLeadToThePublishedPage()
    {
        var links = Dashboard
            .ReadAll(DeployFiles.Root)
            .SelectMany(d => d.Links)
            .Where(link => link.StartsWith("http", StringComparison.Ordinal))
            .ToList();
        Assert.True(links.Count >= 4, $"only {links.Count} links were found");
        Assert.All(
            links,
            link => Assert.StartsWith("http://localhost:16686/search?service=backprop", link, StringComparison.Ordinal)
        );
    }

    [Fact]
    public void PrometheusNamesMetricsAsTheDashboardsDo()
    {
        Assert.Equal("UnderscoreEscapingWithSuffixes", Prometheus.Text("otlp", "translation_strategy"));
        Assert.NotEmpty(Prometheus.Texts("otlp", "promote_resource_attributes"));
        Assert.EndsWith("m", Prometheus.Text("storage", "tsdb", "out_of_order_time_window"), StringComparison.Ordinal);
        Assert.Null(Prometheus.Find("scrape_configs"));
    }

    [Fact]
    public void PrometheusReadsItsFileAndKeepsABoundedPast()
    {
        var service = DeployFiles.Service("prometheus");
        Assert.Contains("--config.file=/etc/prometheus/prometheus.yml", service.Texts("command"));
        Assert.Contains("./deploy/prometheus:/etc/prometheus:ro", service.Texts("volumes"));
        Assert.Contains("prometheus:/prometheus", service.Texts("volumes"));
        Assert.Contains(
            service.Texts("command"),
            argument => argument.StartsWith("--storage.tsdb.retention.size=", StringComparison.Ordinal)
        );
    }

    /// <summary>The names in Jaeger's settings refer to each other; one that does not is an error at its
    /// start.</summary>
    [Fact]
    public void JaegerKeepsABoundedNumberOfTracesAndShowsThem()
    {
        var storage = Assert.Single(Jaeger.Keys("extensions", "jaeger_storage", "backends"));
        Assert.InRange(
            Jaeger.Number("extensions", "jaeger_storage", "backends", storage, "memory", "max_traces"),
            100,
            2_000
        );
        Assert.Equal(storage, Jaeger.Text("extensions", "jaeger_query", "storage", "traces"));
        Assert.Equal(storage, Jaeger.Text("exporters", "jaeger_storage_exporter", "trace_storage"));
        Assert.Equal(Jaeger.Keys("extensions"), Jaeger.Texts("service", "extensions"));
        Assert.Equal(Jaeger.Keys("receivers"), Jaeger.Texts("service", "pipelines", "traces", "receivers"));
        Assert.Equal(Jaeger.Keys("exporters"), Jaeger.Texts("service", "pipelines", "traces", "exporters"));
        Assert.Equal("0.0.0.0:16686", Jaeger.Text("extensions", "jaeger_query", "http", "endpoint"));
        Assert.Equal(["--config", "/etc/jaeger/config.yaml"], DeployFiles.Service("jaeger").Texts("command"));
        Assert.Contains("./deploy/jaeger:/etc/jaeger:ro", DeployFiles.Service("jaeger").Texts("volumes"));
    }

    private static YamlNode Source(string uid) => Assert.Single(Datasources, d => d.Text("uid") == uid);
}
