namespace BackpropCluster.Grains;

/// <summary>Logical messages that parts of one silo have sent: one sender's array or word to one receiver.</summary>
public sealed class Traffic
{
    private long local;
    private long remote;
    private long remoteBytes;

    public long Local => Interlocked.Read(ref local);
    public long Remote => Interlocked.Read(ref remote);

    /// <summary>Payload bytes of the remote ones; headers are not in it.</summary>
    public long RemoteBytes => Interlocked.Read(ref remoteBytes);

    internal void Add(int toLocal, int toRemote, long payloadBytes)
    {
        if (toLocal > 0) Interlocked.Add(ref local, toLocal);
        if (toRemote == 0) return;
        Interlocked.Add(ref remote, toRemote);
        Interlocked.Add(ref remoteBytes, toRemote * payloadBytes);
    }
}
