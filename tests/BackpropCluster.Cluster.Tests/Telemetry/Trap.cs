using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace BackpropCluster.ClusterTests.Telemetry;

/// <summary>A process that is told to use this as its proxy comes here with whatever it wants of whomever over
/// HTTP.</summary>
internal sealed class Trap : IDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);

    public Trap() => listener.Start();

    /// <summary>Whether anything came.</summary>
    public bool WasCalled => listener.Pending();

    public (string Name, string Value)[] Variables =>
        [
            .. ((string[])["http_proxy", "https_proxy", "all_proxy"]).Select(name =>
                (
                    name,
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}"
                    )
                )
            ),
        ];

    public void Dispose() => listener.Dispose();
}
