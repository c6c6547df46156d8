using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using BackpropCluster.Tests.Processes;

namespace BackpropCluster.Tests.Dashboards;

/// <summary>Takes metrics by OTLP as Prometheus 3 does, and lets Debian's older Prometheus scrape them: <c>/v1/metrics</c>, <c>/metrics</c>.</summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    // As in docker-compose.yml: a silo that has said nothing for so long is no longer shown.
    private static readonly TimeSpan Forgotten = TimeSpan.FromSeconds(30);

    private readonly HttpListener listener = new();
    private readonly ConcurrentDictionary<string, (long At, OtlpMetrics Metrics)> newest = new();
    private readonly ConcurrentQueue<string> errors = new();
    private readonly Task serving;

    private OtlpReceiver(int port)
    {
        Address = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{port}");
        listener.Prefixes.Add($"http://{Address}/");
        listener.Start();
        serving = Serve();
    }

    public string Address { get; }

    /// <summary>Every instance that has ever exported.</summary>
    public IEnumerable<string> Instances => newest.Keys;

    /// <summary>Requests that could not be read.</summary>
    public IEnumerable<string> Errors => errors;

    public static OtlpReceiver Start() => new(RedisServer.FreePort());

    public async ValueTask DisposeAsync()
    {
        listener.Stop();
        await serving;
        listener.Close();
    }

    private async Task Serve()
    {
        while (listener.IsListening)
        {
            HttpListenerContext context;
            try
            {
                context = await listener.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            try
            {
                await Answer(context);
            }
            catch (Exception e) when (e is HttpListenerException or IOException)
            {
                // Whoever was killed in the middle of a request sends no rest and reads no answer.
            }
            catch (Exception e)
            {
                errors.Enqueue(e.ToString());
            }
        }
    }

    private async Task Answer(HttpListenerContext context)
    {
        if (context.Request.HttpMethod == "POST")
        {
            using var body = new MemoryStream();
            await context.Request.InputStream.CopyToAsync(body);
            if (body.Length < context.Request.ContentLength64) throw new IOException("the request is cut off");
            foreach (var metrics in OtlpMetrics.Read(body.ToArray())) newest[metrics.Instance] = (Stopwatch.GetTimestamp(), metrics);
            context.Response.ContentType = "application/x-protobuf";
        }
        else
        {
            var text = new StringBuilder();
            foreach (var (at, metrics) in newest.Values)
                if (Stopwatch.GetElapsedTime(at) < Forgotten)
                    foreach (var (series, value) in metrics.Series) text.Append(series).Append(' ').Append(value.ToString("R", CultureInfo.InvariantCulture)).Append('\n');
            context.Response.ContentType = "text/plain; version=0.0.4";
            await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(text.ToString()));
        }

        context.Response.Close();
    }
}
