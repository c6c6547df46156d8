using System.Net;
using System.Net.Sockets;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>Debian's redis-server on loopback, with a folder and a password of its own.</summary>
internal sealed class RedisServer : IAsyncDisposable
{
    // Each of these means something else in a URL, and so does a percent sign that nobody has encoded.
    private const string Odd = ":/@?#%+&= ";
    private const int Databases = 64;
    private const int Attempts = 5;

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-redis-");
    private Child? server;
    private string also = "";

    private RedisServer() { }

    /// <summary>Unlike any other text.</summary>
    public string Password { get; } = $"Pw{Guid.NewGuid():N}{Odd}end";

    public int Port { get; private set; } = FreePort();

    /// <summary>Skips the test where there is no redis-server; in CI there has to be one.</summary>
    public static void Need()
    {
        if (IsInstalled)
            return;
        Assert.False(
            Environment.GetEnvironmentVariable("CI") == "true",
            "redis-server is not installed, and CI must run these tests: apt-get install redis-server"
        );
        Assert.Skip("redis-server is not installed: apt-get install redis-server");
    }

    public static bool IsInstalled =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(':')
            .Any(path => File.Exists(Path.Combine(path, "redis-server")));

    /// <param name="also">A further address to listen on.</param>
    public static async Task<RedisServer> Start(string also = "")
    {
        var redis = new RedisServer { also = also };
        await redis.StartAgain();
        return redis;
    }

    /// <summary>The address of a cluster of its own in this server.</summary>
    public string Url(int database = 0, string? password = null, int? port = null) =>
        $"redis://:{Uri.EscapeDataString(password ?? Password)}@127.0.0.1:{port ?? Port}/{database}";

    /// <summary>The address as the program prints it.</summary>
    public string Shown(int database = 0) => $"redis://127.0.0.1:{Port}{(database == 0 ? "" : $"/{database}")}";

    /// <summary>Starts the server, again with what it held.</summary>
    public async Task StartAgain()
    {
        for (var attempt = 1; ; attempt++)
        {
            // In a file: a command line can be read by everybody.
            var file = Path.Combine(folder.FullName, "redis.conf");
            await File.WriteAllTextAsync(
                file,
                $"bind 127.0.0.1 {also}\nport {Port}\ndir {folder.FullName}\ndatabases {Databases}\nrequirepass "
                    + $"\"{Password}\"\nappendonly yes\nsave \"\"\nlogfile \"\"\n"
            );
            server = Child.Start("redis-server", folder.FullName, file);
            try
            {
                await server.Says("Ready to accept connections");
                return;
            }
            catch (Xunit.Sdk.XunitException)
                when (attempt < Attempts && server.Output.Contains("Address already in use", StringComparison.Ordinal))
            {
                // Somebody took the port after it was found free.
                await server.DisposeAsync();
                Port = FreePort();
            }
        }
    }

    /// <summary>Ends the server, which keeps what it held.</summary>
    public async Task Stop()
    {
        server!.Signal("TERM");
        await server.Ends();
        await server.DisposeAsync();
    }

    /// <summary>Lets the server hang: it listens, and does not answer.</summary>
    public void Freeze() => server!.Signal("STOP");

    public void Thaw() => server!.Signal("CONT");

    public async ValueTask DisposeAsync()
    {
        if (server is not null)
            await server.DisposeAsync();
        folder.Delete(recursive: true);
    }

    /// <summary>A port that is free now.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
