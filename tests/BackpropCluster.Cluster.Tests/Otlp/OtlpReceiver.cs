using System.Diagnostics;
using System.Globalization;
using System.Net;
using BackpropCluster.ClusterTests.Dashboards;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Telemetry;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace BackpropCluster.ClusterTests.Otlp;

/// <summary>How a collector treats what it is sent.</summary>
internal enum Collector
{
    Answers,
    Slow,
    Refuses,
    Hangs,
}

/// <summary>A collector on loopback: takes OTLP over HTTP as protobuf, and keeps what it was really sent.</summary>
/// <remarks>Prometheus 3 takes metrics so too; Debian's older one scrapes them here, from <c>/metrics</c>.</remarks>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Slowness = TimeSpan.FromMilliseconds(700);

    // As in docker-compose.yml: a silo that has said nothing for so long is no longer shown to Prometheus.
    private static readonly TimeSpan Forgotten = TimeSpan.FromSeconds(30);

    private readonly Lock gate = new();
    private readonly List<TraceSpan> spans = [];
    private readonly List<DataPoint> points = [];
    private readonly Dictionary<string, (long At, string Text)> newest = [];
    private readonly List<string> errors = [];
    private readonly CancellationTokenSource end = new();
    private readonly WebApplication app;
    private readonly Collector manner;
    private TaskCompletionSource news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int requests;

    private OtlpReceiver(WebApplication app, Collector manner) => (this.app, this.manner) = (app, manner);

    public Uri Address => new(app.Urls.Single());

    /// <summary>What a process is told so that it sends here, soon and in small batches.</summary>
    public (string Name, string Value)[] Variables =>
        [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", $"{Address}"),
            // A batch that timed out is lost: a busy machine must not lose one of a collector that answers.
            ("OTEL_EXPORTER_OTLP_TIMEOUT", manner == Collector.Answers ? "10000" : "500"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
        ];

    /// <summary>Every span that came, in the order in which they did.</summary>
    public IReadOnlyList<TraceSpan> Spans
    {
        get
        {
            lock (gate)
                return Read(spans);
        }
    }

    /// <summary>Every data point that came: a counter comes again with each export.</summary>
    public IReadOnlyList<DataPoint> Points
    {
        get
        {
            lock (gate)
                return Read(points);
        }
    }

    /// <summary>Why requests could not be read, whose spans and data points are missing.</summary>
    public IReadOnlyList<string> Errors
    {
        get
        {
            lock (gate)
                return [.. errors];
        }
    }

    public int Requests => Volatile.Read(ref requests);

    public static async Task<OtlpReceiver> Start(Collector manner = Collector.Answers)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddRoutingCore().AddSingleton<IHostLifetime, NoLifetime>();
        builder.Logging.ClearProviders();
        var receiver = new OtlpReceiver(builder.Build(), manner);
        receiver.app.MapPost(
            "/v1/traces",
            context => receiver.Take(context, request => receiver.spans.AddRange([.. OtlpRequest.Spans(request)]))
        );
        receiver.app.MapPost(
            "/v1/metrics",
            context => receiver.Take(context, request => receiver.Keep([.. OtlpRequest.Metrics(request)]))
        );
        receiver.app.MapGet("/metrics", receiver.Show);
        await receiver.app.StartAsync();
        return receiver;
    }

    /// <summary>Waits until something has come.</summary>
    /// <param name="isThere">What.</param>
    /// <param name="awaited">The same in words.</param>
    public async Task Until(Func<bool> isThere, string awaited)
    {
        using var bound = new CancellationTokenSource(Bound);
        while (true)
        {
            Task next;
            lock (gate)
                next = news.Task;
            if (isThere())
                return;
            await next.WaitAsync(bound.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Assert.False(
                bound.IsCancellationRequested,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"within {Bound.TotalSeconds} s the collector did not get {awaited}; it has {Spans.Count} spans "
                        + $"and {Points.Count} data points"
                )
            );
        }
    }

    public async ValueTask DisposeAsync()
    {
        await end.CancelAsync();
        await app.DisposeAsync();
        end.Dispose();
    }

    private async Task Take(HttpContext context, Action<WireMessage> keep)
    {
        Interlocked.Increment(ref requests);
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, end.Token);
        switch (manner)
        {
            case Collector.Hangs:
                await Task.Delay(Timeout.Infinite, ends.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                return;
            case Collector.Slow:
                await Task.Delay(Slowness, ends.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                break;
            case Collector.Refuses:
                context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                return;
        }

        // Whoever is killed in the middle of a request is no error: this throws, and nobody is there for an answer.
        var body = await ByteString.FromStreamAsync(context.Request.Body, ends.Token);
        if (context.Request.ContentType != "application/x-protobuf")
        {
            context.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }

        lock (gate)
        {
            try
            {
                keep(new WireMessage(body));
            }
            catch (Exception e)
            {
                errors.Add(e.ToString());
                context.Response.StatusCode = StatusCodes.Status400BadRequest;
            }

            news.SetResult();
            news = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        // An empty response message: nothing was rejected.
        context.Response.ContentType = "application/x-protobuf";
    }

    private void Keep(List<DataPoint> exported)
    {
        foreach (var instance in exported.GroupBy(p => p.Instance))
            newest[instance.Key] = (Stopwatch.GetTimestamp(), PrometheusText.Of(instance));
        points.AddRange(exported);
    }

    private Task Show(HttpContext context)
    {
        string text;
        lock (gate)
            text = string.Concat(
                newest.Values.Where(n => Stopwatch.GetElapsedTime(n.At) < Forgotten).Select(n => n.Text)
            );
        context.Response.ContentType = "text/plain; version=0.0.4";
        return context.Response.WriteAsync(text, end.Token);
    }

    // What could not be read must not look like what was not sent.
    private List<T> Read<T>(List<T> kept)
    {
        if (errors is [var first, ..])
            Assert.Fail($"requests that could not be read: {errors.Count}, the first because of {first}");
        return [.. kept];
    }
}
