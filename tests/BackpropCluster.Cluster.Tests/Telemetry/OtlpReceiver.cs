using System.Globalization;
using System.Net;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace BackpropCluster.Tests.Telemetry;

/// <summary>How a collector treats what it is sent.</summary>
internal enum Collector
{
    Answers,
    Slow,
    Refuses,
    Hangs,
}

/// <summary>A collector on loopback: takes OTLP over HTTP as protobuf, and keeps what it was really sent.</summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Slowness = TimeSpan.FromMilliseconds(700);
    private readonly Lock gate = new();
    private readonly List<TraceSpan> spans = [];
    private readonly List<DataPoint> points = [];
    private readonly CancellationTokenSource end = new();
    private readonly WebApplication app;
    private readonly Collector manner;
    private TaskCompletionSource news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int requests;

    private OtlpReceiver(WebApplication app, Collector manner) => (this.app, this.manner) = (app, manner);

    /// <summary>What a process is told so that it sends here, soon and in small batches.</summary>
    public (string Name, string Value)[] Variables =>
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", app.Urls.Single()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
    ];

    /// <summary>Every span that came, in the order in which they did.</summary>
    public IReadOnlyList<TraceSpan> Spans
    {
        get
        {
            lock (gate) return [.. spans];
        }
    }

    /// <summary>Every data point that came: a counter comes again with each export.</summary>
    public IReadOnlyList<DataPoint> Points
    {
        get
        {
            lock (gate) return [.. points];
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
        receiver.app.MapPost("/v1/traces", context => receiver.Take(context, body => receiver.spans.AddRange(OtlpRequest.Spans(body))));
        receiver.app.MapPost("/v1/metrics", context => receiver.Take(context, body => receiver.points.AddRange(OtlpRequest.Metrics(body))));
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
            lock (gate) next = news.Task;
            if (isThere()) return;
            await next.WaitAsync(bound.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Assert.False(bound.IsCancellationRequested, string.Create(CultureInfo.InvariantCulture, $"within {Bound.TotalSeconds} s the collector did not get {awaited}; it has {Spans.Count} spans and {Points.Count} data points"));
        }
    }

    public async ValueTask DisposeAsync()
    {
        await end.CancelAsync();
        await app.DisposeAsync();
        end.Dispose();
    }

    private async Task Take(HttpContext context, Action<ReadOnlyMemory<byte>> keep)
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

        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, ends.Token);
        if (context.Request.ContentType != "application/x-protobuf")
        {
            context.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }

        lock (gate)
        {
            keep(body.ToArray());
            news.SetResult();
            news = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        // An empty response message: nothing was rejected.
        context.Response.ContentType = "application/x-protobuf";
    }
}
