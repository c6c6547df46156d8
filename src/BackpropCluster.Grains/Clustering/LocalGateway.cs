using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;

namespace BackpropCluster.Grains.Clustering;

/// <summary>Makes one silo of a cluster without a store its first, and tells clients on this machine which port of it is for them: an
/// address names the silo's own port, where only silos are heard.</summary>
internal sealed class LocalGateway : IDisposable
{
    private readonly FileStream held;
    private readonly int firstPort;

    private LocalGateway(FileStream held, int firstPort) => (this.held, this.firstPort) = (held, firstPort);

    /// <summary>Claims the first place; <see langword="null"/> if another silo has it. Two that start at once cannot both get it.</summary>
    [SuppressMessage("Reliability", "CA2000", Justification = "The claim holds the file for as long as it lives.")]
    public static LocalGateway? Claim(int firstPort)
    {
        try
        {
            return new LocalGateway(new FileStream(PathOf(firstPort, "first"), FileMode.OpenOrCreate, FileAccess.Write, FileShare.None), firstPort);
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Tells clients where to go.</summary>
    public void Open(int gatewayPort) => File.WriteAllText(PathOf(firstPort, "gateway"), gatewayPort.ToString(CultureInfo.InvariantCulture));

    /// <summary>Where clients of a cluster are to go; <see langword="null"/> where no first silo has said so.</summary>
    public static IPEndPoint? Of(int firstPort)
    {
        try
        {
            return int.TryParse(File.ReadAllText(PathOf(firstPort, "gateway")), NumberStyles.None, CultureInfo.InvariantCulture, out var port) ? new IPEndPoint(IPAddress.Loopback, port) : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    public void Dispose()
    {
        File.Delete(PathOf(firstPort, "gateway"));
        held.Dispose();
    }

    private static string PathOf(int firstPort, string what) =>
        Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"backprop-localhost-{firstPort}.{what}"));
}
