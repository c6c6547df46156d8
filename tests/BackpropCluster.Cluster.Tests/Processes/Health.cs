using System.Net;

namespace BackpropCluster.Tests.Processes;

/// <summary>Asks a silo's <c>--http-port</c>.</summary>
internal static class Health
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    public static async Task<HttpStatusCode> Get(int port, string what)
    {
        using var http = new HttpClient { Timeout = Bound };
        using var answer = await http.GetAsync(new Uri($"http://127.0.0.1:{port}/health/{what}"), TestContext.Current.CancellationToken);
        return answer.StatusCode;
    }

    /// <summary>Waits until the port answers at all.</summary>
    public static async Task Answers(int port, Child silo)
    {
        using var bound = new CancellationTokenSource(Bound);
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (true)
        {
            try
            {
                await Get(port, "live");
                return;
            }
            catch (HttpRequestException)
            {
                Assert.False(bound.IsCancellationRequested, $"port {port} did not answer within {Bound.TotalSeconds} s; the silo said: {silo.Talk}");
                await pause.WaitForNextTickAsync(CancellationToken.None);
            }
        }
    }
}
