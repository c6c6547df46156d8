using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;

namespace BackpropCluster.Grains.Clustering;

/// <summary>Makes one silo of a cluster without a store its first, and tells clients on this machine which port of it
/// is for them: an address names the silo's own port, where only silos are heard.</summary>
internal sealed class LocalGateway : IDisposable
{
    private readonly FileStream held;
    private readonly int firstPort;

    private LocalGateway(FileStream held, int firstPort) => (this.held, this.firstPort) = (held, firstPort);

    /// <summary>Claims the first place; <see langword="null"/> if another silo has it. Two that start at once cannot
    /// both get it.</summary>
    /// <exception cref="ClusterUnreachableException">The claim cannot be written.</exception>
    [SuppressMessage("Reliability", "CA2000", Justification = "The claim holds the file for as long as it lives.")]
    public static LocalGateway? Claim(int firstPort)
    {
        try
        {
            return new LocalGateway(
                new FileStream(PathOf(firstPort, "first"), FileMode.OpenOrCreate, FileAccess.Write, FileShare.None),
                firstPort
            );
        }
        catch (IOException)
        {
            return null;
        }
        catch (UnauthorizedAccessException e)
        {
            throw new ClusterUnreachableException(
                $"the first silo of localhost:{firstPort} cannot claim its place: {e.Message} Nothing was started. "
                    + $"Remove that file, or choose another port."
            );
        }
    }

    /// <summary>Tells clients where to go.</summary>
    public void Open(int gatewayPort) =>
        File.WriteAllText(PathOf(firstPort, "gateway"), gatewayPort.ToString(CultureInfo.InvariantCulture));

    /// <summary>Where clients of a cluster are to go; <see langword="null"/> where no first silo has said so.</summary>
    public static IPEndPoint? Of(int firstPort)
    {
        try
        {
            return int.TryParse(
                File.ReadAllText(PathOf(firstPort, "gateway")),
                NumberStyles.None,
                CultureInfo.InvariantCulture,
                out var port
            )
                ? new IPEndPoint(IPAddress.Loopback, port)
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public void Dispose()
    {
        File.Delete(PathOf(firstPort, "gateway"));
        held.Dispose();
    }

    // The folder is everybody's, a cluster is one user's: somebody else's of the same port would be in the way for
    // ever.
    private static string PathOf(int firstPort, string what) =>
        Path.Combine(
            Path.GetTempPath(),
            string.Create(CultureInfo.InvariantCulture, $"backprop-{Environment.UserName}-localhost-{firstPort}.{what}")
        );
}
