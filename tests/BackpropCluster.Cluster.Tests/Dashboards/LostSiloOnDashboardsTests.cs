using BackpropCluster.ClusterTests.Otlp;
using BackpropCluster.ClusterTests.Processes;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.ClusterTests.Dashboards;

/// <summary>What a person sees after a bad day: a silo process was killed, its run went on from the checkpoint, another
/// silo came.</summary>
[Trait("length", "long")]
public sealed class LostSiloOnDashboardsTests : IAsyncDisposable
{
    // At 800 to 3,000 steps a second, as the machine is: half a minute to two.
    private const int Epochs = 2000;
    private const int Steps = 45 * Epochs;
    private const int Looks = 15;

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-dashboards-");
    private readonly List<Child> children = [];
    private OtlpReceiver? receiver;
    private RedisServer? redis;
    private PrometheusServer? prometheus;

    public LostSiloOnDashboardsTests()
    {
        Assert.SkipUnless(
            Environment.GetEnvironmentVariable("BACKPROP_LONG_TESTS") == "1",
            "a long test: set BACKPROP_LONG_TESTS=1"
        );
        RedisServer.Need();
        Promtool.Need();
    }

    [Fact]
    public async Task EveryPanelHasDataAfterASiloWasLost()
    {
        receiver = await OtlpReceiver.Start();
        prometheus = await PrometheusServer.Start(receiver.Address.Authority);
        redis = await RedisServer.Start();
        // The calendar's time: Prometheus, another process, is asked for a range of it.
        var began = DateTime.UtcNow;
        await TrainWhileASiloIsLost();
        Assert.Empty(receiver.Errors);
        Assert.Equal("", await prometheus.ScrapeError());
        // The last numbers are exported and scraped a second later each.
        using var pause = new PeriodicTimer(TimeSpan.FromSeconds(1));
        var missing = await Missing(began);
        for (
            var look = 1;
            missing.Count > 0
                && look < Looks
                && await pause.WaitForNextTickAsync(TestContext.Current.CancellationToken);
            look++
        )
            missing = await Missing(began);
        Assert.True(
            missing.Count == 0,
            $"{missing.Count} without data after {Looks} looks a second apart (exported by "
                + $"{string.Join(", ", receiver.Points.Select(p => p.Instance).Distinct())}):\n"
                + string.Join('\n', missing)
        );
    }

    private async Task<List<string>> Missing(DateTime began)
    {
        var (missing, ended) = (new List<string>(), DateTime.UtcNow);
        foreach (var dashboard in Dashboard.ReadAll(Backprop.Root))
        foreach (var panel in dashboard.Panels)
        foreach (var target in panel.Targets.Where(t => t.Source == "prometheus"))
            if (await prometheus!.Count(Dashboard.Filled(target.Query, "5s"), began, ended) == 0)
                missing.Add($"{dashboard.File}: '{panel.Title}': {target.Query}");
        // A query that bears that its metric is not there yet has data in any case, so each metric is asked for by
        // itself too.
        foreach (var (series, metric) in KnownMetrics.BySeries.Where(pair => pair.Value.CertainAfterALoss))
            if (await prometheus!.Count($"count({series})", began, ended) == 0)
                missing.Add($"{metric.Name}: nobody exported {series}");
        return missing;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var child in children)
            await child.DisposeAsync();
        if (redis is not null)
            await redis.DisposeAsync();
        if (prometheus is not null)
            await prometheus.DisposeAsync();
        if (receiver is not null)
            await receiver.DisposeAsync();
        folder.Delete(recursive: true);
    }

    private async Task TrainWhileASiloIsLost()
    {
        var silos = new Dictionary<string, Child>();
        for (var i = 1; i <= 3; i++)
            silos[$"silo-{i}"] = await Silo($"silo-{i}");
        await using var client = await ClusterClient.Connect(SharedCluster.AddressOf(redis!.Url()));
        var members = await client.WaitForSilos(3, TestContext.Current.CancellationToken);
        var (lost, joined) = ((Task?)null, (Task?)null);
        var file = ProcessRuns.Digits(
            $"training.epochs={Epochs}",
            "training.checkpoint_every=2000",
            "trace.every=50",
            "cluster.granularity=8"
        );
        var outcome = await ProcessRuns.TrainToTheReference(client.Grains, file, Watch);
        Assert.True(
            lost is not null && joined is not null,
            $"the run ended before a silo was lost and another one came: {outcome.Last}"
        );
        await Task.WhenAll(lost, joined);
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{outcome.Last.Elapsed.TotalSeconds:0} s, term {outcome.Last.Term}, {outcome.Last.Recoveries} "
                + $"recoveries, {outcome.Last.ReplayedSteps} steps computed again, {outcome.Last.Moves} moves"
        );
        Assert.True(outcome.Last.Term > 1, "the run did not notice that a silo was gone");

        void Watch(RunProgress progress)
        {
            // It holds units, as each does in this cut, and not the coordinator: what that has counted is to be seen to
            // the end.
            if (progress.CommittedSteps > Steps / 3)
                lost ??= silos[members.First(m => m.Silo != progress.Placement!.CoordinatorSilo).Name].Kill();
            if (progress.CommittedSteps > Steps / 2)
                joined ??= Silo("silo-4");
        }
    }

    // By env, which becomes the program that it starts, so the process is the silo's own.
    private async Task<Child> Silo(string name)
    {
        var silo = Child.Start(
            "env",
            folder.FullName,
            "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
            $"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT={receiver!.Address}v1/metrics",
            "OTEL_METRIC_EXPORT_INTERVAL=1000",
            "dotnet",
            Backprop.Program,
            "silo",
            "--cluster",
            redis!.Url(),
            "--name",
            name
        );
        children.Add(silo);
        await silo.Says("is a member of");
        return silo;
    }
}
