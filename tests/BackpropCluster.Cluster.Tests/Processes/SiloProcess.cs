namespace BackpropCluster.ClusterTests.Processes;

/// <summary>A silo as a process of its own: <c>backprop silo</c>.</summary>
internal sealed class SiloProcess : IAsyncDisposable
{
    private SiloProcess(string name, Child child) => (Name, Process) = (name, child);

    public string Name { get; }

    public Child Process { get; }

    /// <summary>Starts a silo; it is a member when this returns.</summary>
    /// <param name="cluster">The cluster's address.</param>
    /// <param name="name">A name for people.</param>
    /// <param name="folder">Where it works; runs of a cluster without a store lie in <c>runs</c> there.</param>
    /// <param name="more">Further arguments.</param>
    public static async Task<SiloProcess> Start(string cluster, string name, string folder, params string[] more)
    {
        var silo = new SiloProcess(
            name,
            Child.Backprop(folder, ["silo", "--cluster", cluster, "--name", name, .. more])
        );
        await silo.Process.Says("is a member of");
        return silo;
    }

    /// <summary>Asks it to leave, and waits until it has.</summary>
    public async Task<Ended> Leave()
    {
        Process.Signal("TERM");
        return await Process.Ends();
    }

    public ValueTask DisposeAsync() => Process.DisposeAsync();
}
