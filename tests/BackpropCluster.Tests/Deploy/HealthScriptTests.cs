using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace BackpropCluster.Tests.Deploy;

/// <summary>deploy/health.sh, run as the image runs it, against a server that answers, refuses or says
/// nothing.</summary>
public sealed class HealthScriptTests
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0)]
    [InlineData("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 1)]
    [InlineData("HTTP/1.1 404 Not Found\r\n\r\n", 1)]
    [InlineData("", 1)]
    public async Task OnlyAReadySiloIsHealthy(string answer, int expected)
    {
        using var listener = Listener();
        var check = Check(listener);
        using var client = await listener
            .AcceptTcpClientAsync(TestContext.Current.CancellationToken)
            .AsTask()
            .WaitAsync(Bound, TestContext.Current.CancellationToken);
        using (var reader = new StreamReader(client.GetStream(), Encoding.ASCII, leaveOpen: true))
            Assert.Equal(
                "GET /health/ready HTTP/1.0",
                await reader.ReadLineAsync(TestContext.Current.CancellationToken)
            );
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(answer), TestContext.Current.CancellationToken);
        client.Close();
        Assert.Equal(expected, await check);
    }

    [Fact]
    public async Task ASiloThatAcceptsAndNeverAnswersIsUnhealthy()
    {
        // Nobody accepts: the kernel completes the connection, as it does for a frozen process.
        using var listener = Listener();
        Assert.Equal(1, await Check(listener));
    }

    [Fact]
    public async Task ASiloThatIsGoneIsUnhealthy()
    {
        var listener = Listener();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Dispose();
        Assert.Equal(1, await Check(port));
    }

    private static TcpListener Listener()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return listener;
    }

    private static Task<int> Check(TcpListener listener) => Check(((IPEndPoint)listener.LocalEndpoint).Port);

    private static async Task<int> Check(int port)
    {
        var start = new ProcessStartInfo("bash") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(DeployFiles.PathOf("deploy/health.sh"));
        start.ArgumentList.Add(port.ToString(System.Globalization.CultureInfo.InvariantCulture));
        using var process = Process.Start(start)!;
        await process
            .WaitForExitAsync(TestContext.Current.CancellationToken)
            .WaitAsync(Bound, TestContext.Current.CancellationToken);
        return process.ExitCode;
    }
}
