namespace BackpropCluster.Tests;

/// <summary>Promises that take longer, or that need the machine for themselves: run by BACKPROP_LONG_TESTS=1 and in CI.</summary>
[Trait("length", "long")]
public sealed class LongTests : IDisposable
{
    private readonly Backprop backprop = new();

    public LongTests() => Assert.SkipUnless(Environment.GetEnvironmentVariable("BACKPROP_LONG_TESTS") == "1", "a long test: set BACKPROP_LONG_TESTS=1");

    public void Dispose() => backprop.Dispose();

    /// <summary>A step's messages run at half the rate at least that the bare runtime reaches in the same process.</summary>
    [Fact]
    public async Task TrainingKeepsHalfOfTheRuntimesMessageRate()
    {
        var row = (await backprop.Run("bench", "messages", "--json")).Json.GetProperty("rows")[0];
        TestContext.Current.TestOutputHelper?.WriteLine(row.ToString());
        Assert.True(row.GetProperty("ratio").GetDouble() >= 0.5, row.ToString());
    }

    [Fact]
    public async Task TheTutorialTakesLessThanThreeSeconds()
    {
        var ended = await backprop.Run("learn", "mazur");
        Assert.True(ended.Took < TimeSpan.FromSeconds(3), $"learn mazur took {ended.Took.TotalSeconds:0.0} s");
    }

    /// <summary>Instruction sets, tiers and collectors are the machine's affair, not the result's.</summary>
    [Theory]
    [InlineData("DOTNET_EnableAVX512F", "0")]
    [InlineData("DOTNET_EnableAVX2", "0")]
    [InlineData("DOTNET_EnableHWIntrinsic", "0")]
    [InlineData("DOTNET_TieredCompilation", "0")]
    [InlineData("DOTNET_gcServer", "0")]
    [InlineData("DOTNET_PROCESSOR_COUNT", "1")]
    public async Task TheRuntimesSettingsChangeNoBit(string variable, string value)
    {
        var example = Path.Combine(Backprop.Root, "examples", "iris.yaml");
        var here = (await backprop.Run("train", example, "--json")).Json.GetProperty("weightsSha256").GetString();
        var there = (await backprop.Run([(variable, value)], null, "train", example, "--json")).Json.GetProperty("weightsSha256").GetString();
        Assert.Equal(here, there);
    }
}
