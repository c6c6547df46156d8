using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using BackpropCluster.Grains.Clustering;

namespace BackpropCluster.Cli.Processes;

/// <summary>A Redis of this machine, started on a free port in a folder of its own, where the program is
/// installed.</summary>
internal sealed class LocalRedis : IAsyncDisposable
{
    private static readonly TimeSpan StartBound = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(50);
    private readonly Process process;
    private readonly DirectoryInfo folder;

    private LocalRedis(Process process, DirectoryInfo folder, int port) =>
        (this.process, this.folder, Url) = (
            process,
            folder,
            string.Create(CultureInfo.InvariantCulture, $"redis://127.0.0.1:{port}")
        );

    public string Url { get; }

    /// <returns><see langword="null"/> where redis-server is not installed, or does not start.</returns>
    public static async Task<LocalRedis?> Start(CancellationToken cancellation)
    {
        var (folder, port) = (Directory.CreateTempSubdirectory("backprop-redis-"), Ports.Free());
        var start = new ProcessStartInfo("redis-server")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (
            var argument in (string[])
                [
                    "--port",
                    port.ToString(CultureInfo.InvariantCulture),
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                    "--dir",
                    folder.FullName,
                ]
        )
            start.ArgumentList.Add(argument);
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            folder.Delete();
            return null;
        }

        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        var redis = new LocalRedis(process, folder, port);
        if (await IsListening(port, cancellation))
            return redis;
        await redis.DisposeAsync();
        return null;
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            process.Kill();
            await process.WaitForExitAsync().WaitAsync(StartBound);
        }

        process.Dispose();
        folder.Delete(recursive: true);
    }

    private static async Task<bool> IsListening(int port, CancellationToken cancellation)
    {
        var began = TimeProvider.System.GetTimestamp();
        using var pause = new PeriodicTimer(LookEvery);
        while (TimeProvider.System.GetElapsedTime(began) < StartBound)
        {
            using var probe = new TcpClient();
            try
            {
                await probe
                    .ConnectAsync(IPAddress.Loopback, port, cancellation)
                    .AsTask()
                    .WaitAsync(StartBound, cancellation);
                return true;
            }
            catch (SocketException)
            {
                await pause.WaitForNextTickAsync(cancellation);
            }
        }

        return false;
    }
}
