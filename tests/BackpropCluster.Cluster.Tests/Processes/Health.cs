using System.Net;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>Asks a silo's <c>--http-port</c>.</summary>
internal static class Health
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    public static async Task<HttpStatusCode> Get(int port, string what)
    {
        using var http = new HttpClient { Timeout = Bound };
        using var answer = await http.GetAsync(
            new Uri($"http://127.0.0.1:{port}/health/{what}"),
            TestContext.Current.CancellationToken
        );
        return answer.StatusCode;
    }

    /// <summary>Waits until the port gives an answer.</summary>
    public static async Task Becomes(int port, string what, HttpStatusCode status, Child silo)
    {
        using var bound = new CancellationTokenSource(Bound);
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (await GetIfAny(port, what) is var got && got != status)
        {
            Assert.False(
                bound.IsCancellationRequested,
                $"/health/{what} did not become {status} within {Bound.TotalSeconds} s, it is {got}; the silo said: "
                    + $"{silo.Diagnostics}"
            );
            await pause.WaitForNextTickAsync(CancellationToken.None);
        }
    }

    private static async Task<HttpStatusCode?> GetIfAny(int port, string what)
    {
        try
        {
            return await Get(port, what);
        }
        catch (HttpRequestException)
        {
            return null; // nobody listens there yet
        }
    }
}
