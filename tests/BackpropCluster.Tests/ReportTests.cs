using BackpropCluster.Cli.CommandLine;

namespace BackpropCluster.Tests;

/// <summary>A report of a defect is sent to others: it names the cluster and not its password.</summary>
public class ReportTests
{
    [Theory]
    [InlineData("redis://:s3cret@127.0.0.1:6379/2", "redis://127.0.0.1:6379/2")]
    [InlineData("--cluster=redis://:s3%2Fcret@h:1", "--cluster=redis://h:1")]
    [InlineData("redis://:s3cret@", "redis:…")]
    [InlineData("examples/xor.yaml", "examples/xor.yaml")]
    public void AnArgumentIsWrittenDownWithoutThePassword(string argument, string written) =>
        Assert.Equal(written, Shell.WithoutPassword(argument));
}
