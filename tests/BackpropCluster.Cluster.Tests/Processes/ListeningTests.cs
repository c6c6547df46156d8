using System.Globalization;
using System.Net;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>Closed by default: a silo listens on loopback alone, and tells over HTTP how it is.</summary>
[Collection(SharedCluster.Name)]
public sealed class ListeningTests
{
    private readonly SharedCluster cluster;

    public ListeningTests(SharedCluster cluster)
    {
        RedisServer.Need();
        this.cluster = cluster;
    }

    [Fact]
    public async Task ASiloListensOnLoopbackAlone()
    {
        // In a database of its own it is a cluster of its own.
        var port = RedisServer.FreePort();
        await using var silo = await SiloProcess.Start(
            cluster.Redis.Url(1),
            "closed",
            cluster.Folder,
            "--http-port",
            $"{port}"
        );
        var listening = ListeningSockets(silo.Process.Id);
        Assert.Equal(3, listening.Count); // for silos, for clients, for health
        Assert.Contains(port, listening.Select(e => e.Port));
        Assert.All(listening, e => Assert.True(IPAddress.IsLoopback(e.Address), $"it listens on {e}"));
        Assert.All(
            cluster.Silos.SelectMany(s => ListeningSockets(s.Process.Id)),
            e => Assert.True(IPAddress.IsLoopback(e.Address), $"a silo listens on {e}")
        );
        Assert.Equal(0, (await silo.Leave()).ExitCode);
    }

    [Fact]
    public async Task ASiloListensBeyondLoopbackWhenItIsToldTo()
    {
        await using var silo = await SiloProcess.Start(
            cluster.Redis.Url(2),
            "open",
            cluster.Folder,
            "--listen",
            "0.0.0.0"
        );
        var listening = ListeningSockets(silo.Process.Id);
        Assert.Equal(2, listening.Count);
        Assert.All(listening, e => Assert.Equal(IPAddress.Any, e.Address));
        Assert.Equal(0, (await silo.Leave()).ExitCode);
    }

    /// <summary>TCP sockets that a process accepts connections on, as the kernel lists them.</summary>
    private static List<IPEndPoint> ListeningSockets(int process)
    {
        var own = new DirectoryInfo($"/proc/{process}/fd").EnumerateFiles().Select(f => f.LinkTarget).ToHashSet();
        return
        [
            .. new[] { "tcp", "tcp6" }
                .SelectMany(table => File.ReadLines($"/proc/{process}/net/{table}").Skip(1))
                .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Where(field => field[3] == "0A" && own.Contains($"socket:[{field[9]}]"))
                .Select(field => EndPoint(field[1])),
        ];
    }

    // "0100007F:2B67": each group of four bytes as this machine's processor holds it, the port in hexadecimal.
    private static IPEndPoint EndPoint(string text)
    {
        var parts = text.Split(':');
        var bytes = Convert
            .FromHexString(parts[0])
            .Chunk(4)
            .SelectMany(word => BitConverter.IsLittleEndian ? word.Reverse() : word)
            .ToArray();
        return new IPEndPoint(
            new IPAddress(bytes) is { IsIPv4MappedToIPv6: true } mapped ? mapped.MapToIPv4() : new IPAddress(bytes),
            int.Parse(parts[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture)
        );
    }
}
