using System.Net;
using System.Net.Sockets;

namespace BackpropCluster.Tests.Telemetry;

/// <summary>Watches whether anybody calls a port of this machine.</summary>
internal sealed class DefaultPort : IDisposable
{
    private readonly TcpListener? listener;

    private DefaultPort(TcpListener? listener) => this.listener = listener;

    /// <summary>Whether a connection came; <see langword="false"/> also where the port was taken.</summary>
    public bool WasCalled => listener?.Pending() == true;

    public static DefaultPort Watch(int port)
    {
        var listener = new TcpListener(IPAddress.Loopback, port);
        try
        {
            listener.Start();
            return new DefaultPort(listener);
        }
        catch (SocketException)
        {
            listener.Dispose();
            return new DefaultPort(null);
        }
    }

    public void Dispose() => listener?.Dispose();
}
