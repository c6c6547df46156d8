using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>Stands between silos and their Redis: lets a write through, keeps what is answered to it and cuts the
/// connection, so that whoever wrote cannot know whether it did.</summary>
internal sealed class RedisProxy : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource end = new();
    private readonly ConcurrentBag<Task> pumps = [];
    private readonly int server;
    private readonly Task accepting;
    private volatile string? wanted;
    private volatile bool forGood;

    /// <param name="server">The port of Redis.</param>
    public RedisProxy(int server)
    {
        this.server = server;
        listener.Start();
        accepting = Accept();
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    /// <summary>Whether what was wanted came, and was cut.</summary>
    public bool HasCut => wanted is null;

    /// <summary>Cuts the connection right after the next write to a record whose name holds a text.</summary>
    public void CutAfterWriteOf(string name) => wanted = name;

    /// <summary>Lets nothing through any more from the first command on that names something.</summary>
    public void CutOffAt(string name) => (forGood, wanted) = (true, name);

    public async ValueTask DisposeAsync()
    {
        await end.CancelAsync();
        listener.Dispose();
        await Task.WhenAll([accepting, .. pumps]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        end.Dispose();
    }

    private async Task Accept()
    {
        while (!end.IsCancellationRequested)
        {
            var client = await listener.AcceptTcpClientAsync(end.Token);
            if (forGood && HasCut)
                client.Dispose();
            else
                pumps.Add(Serve(client));
        }
    }

    private async Task Serve(TcpClient client)
    {
        using var held = new CancellationTokenSource();
        using var both = CancellationTokenSource.CreateLinkedTokenSource(end.Token, held.Token);
        using (client)
        using (var redis = new TcpClient())
        {
            await redis.ConnectAsync(IPAddress.Loopback, server, end.Token);
            var (up, down) = (client.GetStream(), redis.GetStream());
            Task either = Task.WhenAny(Questions(up, down, held), Answers(down, up, both.Token));
            await either.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!held.IsCancellationRequested)
                return;
            // Redis takes what it was sent, to the last byte, and says what it does to nobody.
            redis.Client.Shutdown(SocketShutdown.Send);
            await down.CopyToAsync(Stream.Null, end.Token);
        }
    }

    private async Task Questions(NetworkStream from, NetworkStream to, CancellationTokenSource held)
    {
        var buffer = new byte[1 << 16];
        while (await from.ReadAsync(buffer, end.Token) is var read and > 0)
        {
            // The marks of a command stand in clear among its bytes, however long the rest is.
            var isHeld = Takes(Encoding.Latin1.GetString(buffer, 0, read));
            if (isHeld)
                await held.CancelAsync();
            if (!isHeld || !forGood)
                await to.WriteAsync(buffer.AsMemory(0, read), end.Token);
            if (isHeld)
                return;
        }
    }

    private static async Task Answers(NetworkStream from, NetworkStream to, CancellationToken held)
    {
        var buffer = new byte[1 << 16];
        while (await from.ReadAsync(buffer, held) is var read and > 0)
            await to.WriteAsync(buffer.AsMemory(0, read), held);
    }

    private bool Takes(string commands)
    {
        if (wanted is not { } name || !commands.Contains(name, StringComparison.Ordinal))
            return false;
        if (!forGood && !commands.Contains("EVAL", StringComparison.Ordinal))
            return false;
        return Interlocked.CompareExchange(ref wanted, null, name) == name;
    }
}
