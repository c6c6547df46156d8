namespace BackpropCluster.Tests.Deploy;

/// <summary>What Redis must be told, wherever it is started.</summary>
internal static class Store
{
    public static void Keeps(string[] command, IEnumerable<string> mounts)
    {
        Assert.Equal("redis-server", command[0]);
        Assert.Equal("yes", DeployFiles.After("--appendonly", command));
        Assert.Equal("everysec", DeployFiles.After("--appendfsync", command));
        Assert.Equal("noeviction", DeployFiles.After("--maxmemory-policy", command));
        // Without a password every container of the fabric could write a checkpoint.
        Assert.Contains("$", DeployFiles.After("--requirepass", command), StringComparison.Ordinal);
        Assert.Contains("/data", mounts);
    }
}
