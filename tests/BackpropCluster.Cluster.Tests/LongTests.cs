namespace BackpropCluster.ClusterTests;

/// <summary>Promises that take longer, or that need the machine for themselves: run by BACKPROP_LONG_TESTS=1 and in
/// CI.</summary>
[Trait("length", "long")]
public sealed class LongTests : IDisposable
{
    private readonly Backprop backprop = new();

    public LongTests() =>
        Assert.SkipUnless(
            Environment.GetEnvironmentVariable("BACKPROP_LONG_TESTS") == "1",
            "a long test: set BACKPROP_LONG_TESTS=1"
        );

    public void Dispose() => backprop.Dispose();

    /// <summary>Messages of a training beside the bare runtime's in the same process, from few to many a step, and as
    /// bytes.</summary>
    [Fact]
    public async Task MessagesKeepTheirRates()
    {
        var rows = (await backprop.Run("bench", "messages", "--json"))
            .Json.GetProperty("rows")
            .EnumerateArray()
            .ToList();
        rows.ForEach(row => TestContext.Current.TestOutputHelper?.WriteLine(row.ToString()));
        AtLeast(0.5, "one silo");
        AtLeast(1.5, "half of each layer on each of two silo processes");
        // From 1,300 messages a step to 102,000 the time a message takes grows by half at most.
        AtLeast(1 / 1.5, "growth: ");
        AtLeast(5, "payload codec");

        void AtLeast(double ratio, string name)
        {
            var named = rows.Where(row => row.GetProperty("name").GetString()!.Contains(name, StringComparison.Ordinal))
                .ToList();
            Assert.NotEmpty(named);
            Assert.All(named, row => Assert.True(row.GetProperty("ratio").GetDouble() >= ratio, row.ToString()));
        }
    }

    [Fact]
    public async Task TheTutorialTakesLessThanThreeSeconds()
    {
        var ended = await backprop.Run("learn", "mazur");
        Assert.True(ended.Took < TimeSpan.FromSeconds(3), $"learn mazur took {ended.Took.TotalSeconds:0.0} s");
    }

    // Debian's dataset-fashion-mnist; CI installs it.
    private const string Fashion = "/usr/share/datasets/fashion-mnist";

    private static void NeedsFashion() =>
        Assert.SkipUnless(Directory.Exists(Fashion), "Debian's package dataset-fashion-mnist is not installed");

    [Fact]
    public void SixtyThousandPicturesAreReadInTwoSeconds()
    {
        NeedsFashion();
        var files = new Core.IdxFiles(
            $"{Fashion}/train-images-idx3-ubyte.gz",
            $"{Fashion}/train-labels-idx1-ubyte.gz",
            null,
            null
        );
        var start = System.Diagnostics.Stopwatch.GetTimestamp();
        var table = Grains.Data.DataFiles.Read(new Core.DataSpec { Source = Core.Data.DataSource.Idx, Idx = files });
        var took = System.Diagnostics.Stopwatch.GetElapsedTime(start);
        TestContext.Current.TestOutputHelper?.WriteLine($"{table.Rows} rows in {took.TotalSeconds:0.00} s");
        Assert.Equal((60_000, 784, 10), (table.Rows, table.Features, table.ClassCount));
        Assert.True(took < TimeSpan.FromSeconds(2), $"{took.TotalSeconds:0.00} s");
    }

    [Fact]
    public async Task FashionMnistIsLearnedInFiveEpochsToOneHash()
    {
        NeedsFashion();
        var file = Path.Combine(backprop.Folder, "fashion.yaml");
        await File.WriteAllTextAsync(
            file,
            $$"""
            version: 1
            data: { source: idx, images: {{Fashion}}/train-images-idx3-ubyte.gz, labels: {{Fashion}}/train-labels-idx1-ubyte.gz, test_images: {{Fashion}}/t10k-images-idx3-ubyte.gz, test_labels: {{Fashion}}/t10k-labels-idx1-ubyte.gz, batch: 128, scale: minmax }
            model:
              layers: [ { units: 128, activation: relu, init: he_normal }, { units: 10, activation: identity } ]
              loss: cross_entropy
            optimizer: { kind: adam, learning_rate: 0.001 }
            training: { epochs: 5 }

            """,
            TestContext.Current.CancellationToken
        );
        var layers = (await backprop.Run("train", file, "--json")).Json;
        Assert.True(layers.GetProperty("test").GetProperty("accuracy").GetDouble() >= 0.86, layers.ToString());
        var shards = (
            await backprop.Run("train", file, "--set", "cluster.granularity=32", "--set", "cluster.silos=3", "--json")
        ).Json;
        Assert.Equal(layers.GetProperty("weightsSha256").GetString(), shards.GetProperty("weightsSha256").GetString());
    }

    [Fact]
    public async Task AModelCostsWhatItsParametersDo()
    {
        var rows = (await backprop.Run("bench", "memory", "--json")).Json.GetProperty("rows").EnumerateArray().ToList();
        Assert.All(
            rows.Where(r => r.TryGetProperty("ratio", out _)),
            r => Assert.True(r.GetProperty("ratio").GetDouble() <= 2.2, r.ToString())
        );
        Assert.All(
            rows.Where(r => r.TryGetProperty("bytesPerGrainBeyondWeights", out _)),
            r => Assert.True(r.GetProperty("bytesPerGrainBeyondWeights").GetDouble() <= 12_000, r.ToString())
        );
        Assert.Equal(3, rows.Count);
    }
}
