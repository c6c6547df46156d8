namespace BackpropCluster.ClusterTests.Processes;

/// <summary>Promises that take longer: run by BACKPROP_LONG_TESTS=1 and in CI.</summary>
internal static class RequiresLongTests
{
    /// <summary>Skips the test where nobody asked for long ones.</summary>
    public static void Need() =>
        Assert.SkipUnless(
            Environment.GetEnvironmentVariable("BACKPROP_LONG_TESTS") == "1",
            "a long test: set BACKPROP_LONG_TESTS=1"
        );
}
