using BackpropCluster.ClusterTests.Otlp;
using BackpropCluster.ClusterTests.Processes;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.ClusterTests.Telemetry;

/// <summary>Three silo processes that send to one collector, and the tutorial trained on them once.</summary>
public sealed class TracedCluster : IAsyncLifetime
{
    private readonly string[] siloOptions;
    private readonly Backprop backprop = new();
    private readonly List<Child> silos = [];
    private OtlpReceiver? receiver;

    public TracedCluster()
        : this($"localhost:{RedisServer.FreePort()}") { }

    internal TracedCluster(string url, params string[] siloOptions) => (Url, this.siloOptions) = (url, siloOptions);

    internal static string[] Names { get; } = ["first", "second", "third"];

    internal Backprop Backprop => backprop;

    internal string Url { get; }

    internal OtlpReceiver Receiver => receiver ?? throw new InvalidOperationException("the cluster is not started");

    internal IReadOnlyList<Child> Silos => silos;

    internal TracedRun Run { get; private set; } = null!;

    /// <summary>The spans of that run, as they were exported.</summary>
    internal IReadOnlyList<TraceSpan> Exported =>
        [.. Receiver.Spans.Where(s => s.Find("backprop.run")?.Text == Run.Run)];

    public async ValueTask InitializeAsync()
    {
        receiver = await OtlpReceiver.Start();
        foreach (var name in Names)
            silos.Add(await StartSilo(name));
        Run = new TracedRun(
            backprop.Folder,
            (
                await backprop.Run(
                    receiver.Variables,
                    null,
                    TracedRun.Arguments(
                        "mazur",
                        [
                            "cluster.granularity=neuron",
                            "cluster.silos=3",
                            "training.epochs=4",
                            "trace.first=2",
                            $"trace.orleans={(siloOptions.Contains("--trace-orleans") ? "true" : "false")}",
                        ],
                        "--cluster",
                        Url
                    )
                )
            ).Json
        );
        await receiver.Until(() => Exported.Count >= Run.Spans.Count, $"the {Run.Spans.Count} spans of the run's file");
    }

    /// <summary>A silo process that sends to the collector; a member when this returns.</summary>
    internal async Task<Child> StartSilo(string name)
    {
        var silo = Child.Start(
            "env",
            backprop.Folder,
            [
                .. Receiver.Variables.Select(v => $"{v.Name}={v.Value}"),
                "dotnet",
                Backprop.Program,
                "silo",
                "--cluster",
                Url,
                "--name",
                name,
                .. siloOptions,
            ]
        );
        await silo.Says("is a member of");
        return silo;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var silo in Enumerable.Reverse(silos))
            await silo.DisposeAsync();
        if (receiver is not null)
            await receiver.DisposeAsync();
        backprop.Dispose();
    }
}
