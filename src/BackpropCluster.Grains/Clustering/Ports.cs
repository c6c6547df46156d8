using System.Net;
using System.Net.Sockets;

namespace BackpropCluster.Grains.Clustering;

/// <summary>Finds out whether a port is free before a silo is built on it.</summary>
public static class Ports
{
    /// <summary>A port on loopback that nothing listens on now.</summary>
    public static int Free() => Take(IPAddress.Loopback, 0, "--silo-port");

    /// <summary>The port that was asked for, or a free one where 0 was.</summary>
    /// <exception cref="PortTakenException">The port is in use.</exception>
    public static int Take(IPAddress listen, int wanted, string option)
    {
        using var listener = new TcpListener(listen, wanted);
        try
        {
            listener.Start();
            return ((IPEndPoint)listener.LocalEndpoint).Port;
        }
        catch (SocketException e)
        {
            throw new PortTakenException(wanted, listen, option, e);
        }
    }

    /// <summary>The address that others reach a silo by.</summary>
    public static IPAddress Advertised(IPAddress listen)
    {
        if (!listen.Equals(IPAddress.Any))
            return listen;
        var own = Dns.GetHostAddresses(Dns.GetHostName(), AddressFamily.InterNetwork);
        return Array.Find(own, address => !IPAddress.IsLoopback(address)) ?? IPAddress.Loopback;
    }
}

/// <summary>A port that a silo was told to listen on is in use.</summary>
public sealed class PortTakenException(int port, IPAddress address, string option, Exception cause)
    : Exception(
        $"port {port} on {address} cannot be used: {cause.Message}. Nothing was started. End what listens there, or "
            + $"choose another {option}.",
        cause
    )
{
    public int Port => port;
}
