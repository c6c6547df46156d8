namespace BackpropCluster.ClusterTests.Reliability;

/// <summary>Tests that break a cluster, one after the other and beside no other: what they bound is time.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class SerialTests
{
    public const string Name = "real faults";
}
