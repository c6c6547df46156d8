using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using BackpropCluster.Cli.Runs;
using BackpropCluster.ClusterTests.Processes;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Data;
using BackpropCluster.Grains.Silos;
using Microsoft.Extensions.DependencyInjection;

namespace BackpropCluster.ClusterTests.Dashboards;

/// <summary>What silos publish and measure while they train: everything that the dashboards ask for.</summary>
public sealed class EmittedMetricsTests(TrainedSilos silos) : IClassFixture<TrainedSilos>
{
    // Needs a client from outside, or a silo that leaves.
    private static readonly HashSet<string> NotInsideOneProcess =
    [
        "orleans-gateway-connected-clients",
        "orleans-networking-sockets-closed",
    ];

    public static TheoryData<string> Names() => [.. KnownMetrics.Ours.Concat(KnownMetrics.Others).Select(m => m.Name)];

    [Theory, MemberData(nameof(Names))]
    public void EachMetricIsPublishedAsTheDashboardsKnowIt(string name)
    {
        var known = KnownMetrics.Ours.Concat(KnownMetrics.Others).Single(m => m.Name == name);
        Assert.True(
            silos.Published.TryGetValue((known.Meter, name), out var instrument),
            $"no instrument {name} of the meter {known.Meter} was published"
        );
        Assert.Equal(known.Kind, Instruments.KindOf(instrument));
        Assert.Equal(known.Series, PrometheusNames.Series(name, instrument.Unit, known.Kind));
    }

    [Theory, MemberData(nameof(Names))]
    public void EachMetricIsMeasuredWithTheLabelsThatItIsKnownFor(string name)
    {
        var known = KnownMetrics.Ours.Concat(KnownMetrics.Others).Single(m => m.Name == name);
        if (!silos.Measured.TryGetValue((known.Meter, name), out var labels))
        {
            Assert.True(
                known.OnlyAfterAnEvent || NotInsideOneProcess.Contains(name),
                $"{name} was published and never measured in a run with traced steps and checkpoints"
            );
            return;
        }

        Assert.Equal(known.Labels.Order(StringComparer.Ordinal), labels.Keys.Order(StringComparer.Ordinal));
        foreach (var label in known.Labels.Where(label => known.ValuesOf(label).Any()))
        {
            var (values, heard) = (
                known.ValuesOf(label).ToList(),
                labels[label].Keys.Order(StringComparer.Ordinal).ToList()
            );
            Assert.True(
                heard.All(values.Select(v => v.Value).Contains),
                $"{name}: {label} is {string.Join(", ", heard)}; known are {string.Join(", ", values)}"
            );
            Assert.All(
                values.Where(v => v.InAQuietRun),
                v =>
                    Assert.True(
                        heard.Contains(v.Value),
                        $"{name}: {label} was never {v.Value}; heard were {string.Join(", ", heard)}"
                    )
            );
        }
    }
}

/// <summary>Three silos in this process that have trained, and every instrument that was heard meanwhile.</summary>
public sealed class TrainedSilos : IAsyncLifetime
{
    private readonly MeterListener listener = new();
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-metrics-");

    internal ConcurrentDictionary<(string Meter, string Name), Instrument> Published { get; } = new();

    /// <summary>The labels of what was measured, and their values.</summary>
    internal ConcurrentDictionary<
        (string Meter, string Name),
        ConcurrentDictionary<string, ConcurrentDictionary<string, byte>>
    > Measured { get; } = new();

    public async ValueTask InitializeAsync()
    {
        listener.InstrumentPublished = (instrument, l) =>
        {
            Published[(instrument.Meter.Name, instrument.Name)] = instrument;
            l.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<int>(Hear);
        listener.SetMeasurementEventCallback<long>(Hear);
        listener.SetMeasurementEventCallback<double>(Hear);
        listener.Start();

        // Traced steps, evaluations and checkpoints; long enough for a probe between silos.
        var file = ProcessRuns.Digits("training.epochs=40", "training.checkpoint_every=100", "trace.every=50");
        var plan = ProcessRuns.Plan(file);
        await using var cluster = await EmbeddedCluster.Start(
            3,
            null,
            services =>
                services
                    .AddSingleton(DataCatalog.Holding(plan, Planner.Load(file)))
                    .AddCheckpointFolder(folder.FullName),
            cancellation: TestContext.Current.CancellationToken
        );
        var outcome = await TrainingClient.Train(
            cluster.Grains,
            plan,
            TimeSpan.FromSeconds(20),
            _ => listener.RecordObservableInstruments(),
            file.ToYaml(),
            cancellation: TestContext.Current.CancellationToken
        );
        Assert.True(outcome.Result is not null, $"the run failed: {outcome.Last.Failure?.Reason}");
        // An exception is a metric too, and healthy silos throw none.
        await Assert.ThrowsAsync<InvalidDataException>(() =>
            Task.FromException(new InvalidDataException("heard as dotnet.exceptions"))
        );
        listener.RecordObservableInstruments();
        await Probed();
    }

    public ValueTask DisposeAsync()
    {
        listener.Dispose();
        folder.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }

    // Silos ask each other every second.
    private async Task Probed()
    {
        using var bound = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (!Measured.ContainsKey(("Microsoft.Orleans", "orleans-messaging-pings-sent")))
            Assert.True(await timer.WaitForNextTickAsync(bound.Token), "no silo was probed within 20 s");
    }

    private void Hear<T>(
        Instrument instrument,
        T value,
        ReadOnlySpan<KeyValuePair<string, object?>> tags,
        object? state
    )
    {
        var labels = Measured.GetOrAdd((instrument.Meter.Name, instrument.Name), _ => new());
        foreach (var tag in tags)
            labels.GetOrAdd(PrometheusNames.Label(tag.Key), _ => new())[$"{tag.Value}"] = 0;
    }
}
