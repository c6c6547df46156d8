using System.Runtime.InteropServices;

namespace BackpropCluster.ClusterTests;

/// <summary>Instruction sets, tiers, collectors and processors are the machine's affair, not the result's: one hash
/// under every setting.</summary>
/// <remarks>A setting that the runtime does not know does nothing, and a test with it proves nothing; so each is seen
/// to act first.</remarks>
[Trait("length", "long")]
public sealed class RuntimeSettingsTests : IClassFixture<PlainHashes>, IDisposable
{
    private readonly Backprop backprop = new();
    private readonly PlainHashes plain;

    public RuntimeSettingsTests(PlainHashes plain)
    {
        Assert.SkipUnless(
            Environment.GetEnvironmentVariable("BACKPROP_LONG_TESTS") == "1",
            "a long test: set BACKPROP_LONG_TESTS=1"
        );
        this.plain = plain;
    }

    public void Dispose() => backprop.Dispose();

    [Theory]
    [InlineData("BACKPROP_VECTOR_BITS", "128", "128 bits")]
    [InlineData("BACKPROP_VECTOR_BITS", "256", "256 bits")]
    [InlineData("BACKPROP_VECTOR_BITS", "512", "512 bits")]
    [InlineData("DOTNET_EnableAVX512", "0", "256 bits")]
    [InlineData("DOTNET_EnableAVX2", "0", "without fused multiply-add")]
    [InlineData("DOTNET_EnableHWIntrinsic", "0", "without fused multiply-add")]
    [InlineData("DOTNET_gcServer", "0", "workstation garbage collection")]
    [InlineData("DOTNET_gcServer", "1", "server garbage collection")]
    [InlineData("DOTNET_PROCESSOR_COUNT", "1", "1 processors")]
    [InlineData("DOTNET_PROCESSOR_COUNT", "2", "2 processors")]
    public async Task TheRuntimesSettingsChangeNoBit(string variable, string value, string says)
    {
        Assert.SkipUnless(
            RuntimeInformation.ProcessArchitecture == Architecture.X64
                || !variable.Contains("Enable", StringComparison.Ordinal),
            "these instruction sets are those of x64"
        );
        Assert.SkipUnless(
            Environment.ProcessorCount > 1 || says != "server garbage collection",
            "the runtime has its server collector on two processors only"
        );
        var doctor = await backprop.Run([(variable, value)], null, "doctor");
        Assert.SkipWhen(
            doctor.ExitCode == 2 && doctor.Talk.Contains("no such registers", StringComparison.Ordinal),
            $"this processor has no registers of {value} bits"
        );
        Assert.Contains(says, doctor.Output, StringComparison.Ordinal);
        await AssertOneHash((variable, value));
    }

    /// <summary>The compiler itself tells at which tier it compiled a method.</summary>
    /// <remarks>
    /// It is asked beside the training, and how that process ends is not: the runtime closes the compiler's file at its
    /// end while the thread that compiles a method again may still write to it, and then aborts (2 of 46 trainings
    /// did).
    /// </remarks>
    [Theory]
    [InlineData("1", true)]
    [InlineData("0", false)]
    public async Task TiersOfTheCompilerChangeNoBit(string value, bool hasTiers)
    {
        var summary = Path.Combine(backprop.Folder, "compiled.txt");
        await backprop.Run(
            [("DOTNET_TieredCompilation", value), ("DOTNET_JitDisasmSummary", "1"), ("DOTNET_JitStdOutFile", summary)],
            null,
            "doctor"
        );
        var compiled = await File.ReadAllTextAsync(summary, TestContext.Current.CancellationToken);
        Assert.Contains("JIT compiled BackpropCluster.", compiled, StringComparison.Ordinal);
        Assert.Equal(hasTiers, compiled.Contains("[Tier0,", StringComparison.Ordinal));
        await AssertOneHash(("DOTNET_TieredCompilation", value));
    }

    private async Task AssertOneHash(params (string Name, string Value)[] environment)
    {
        foreach (var run in PlainHashes.Runs)
            Assert.True(
                await plain.Of(run) == await PlainHashes.Train(backprop, environment, run),
                $"{run} has another hash under {string.Join(", ", environment)}"
            );
    }
}

/// <summary>What each run comes to without any setting, trained once.</summary>
public sealed class PlainHashes : IDisposable
{
    private readonly Backprop backprop = new();
    private readonly Dictionary<string, string> known = [];

    /// <summary>Neurons with half squared error; layers with tanh, softmax and adam; arrays that fill the widest
    /// product, with relu.</summary>
    internal static string[] Runs { get; } = ["iris", "spiral", "wide"];

    public void Dispose() => backprop.Dispose();

    internal async Task<string> Of(string run)
    {
        if (!known.TryGetValue(run, out var hash))
            known.Add(run, hash = await Train(backprop, [], run));
        return hash;
    }

    internal static async Task<string> Train(Backprop backprop, (string Name, string Value)[] environment, string run)
    {
        string[] arguments = run switch
        {
            "iris" => [Example("iris")],
            "spiral" => [Example("spiral"), "--set", "training.epochs=5"],
            _ => [await Wide(backprop.Folder)],
        };
        return (await backprop.Run(environment, null, ["train", .. arguments, "--json"]))
            .Json.GetProperty("weightsSha256")
            .GetString()!;
    }

    private static string Example(string name) => Path.Combine(Backprop.Root, "examples", $"{name}.yaml");

    private static async Task<string> Wide(string folder)
    {
        var file = Path.Combine(folder, "wide.yaml");
        await File.WriteAllTextAsync(
            file,
            """
            version: 1
            data: { source: digits, batch: 64, test: 0.2, scale: minmax }
            model:
              layers: [ { units: 67, activation: relu, init: he_normal }, { units: 33, activation: logistic }, { units: 10, activation: identity } ]
              loss: cross_entropy
            optimizer: { kind: adam, learning_rate: 0.003 }
            training: { epochs: 3 }
            cluster: { silos: 2, granularity: 20 }

            """,
            TestContext.Current.CancellationToken
        );
        return file;
    }
}
