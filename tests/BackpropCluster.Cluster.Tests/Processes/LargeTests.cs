using System.Globalization;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>What is longer than a message by default: 112 MB of parameters in one part, activations of as much, a
/// history of many pages.</summary>
[Trait("length", "long"), Collection(Reliability.SerialTests.Name)]
public sealed class LargeTests : IDisposable
{
    private readonly Backprop backprop = new();

    public LargeTests()
    {
        RequiresLongTests.Need();
        RedisServer.Need();
    }

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task APartOfAHundredMegabytesIsTrainedReadAndExported()
    {
        Write(features: 1000, rows: 4, units: 14_000);
        await using var redis = await RedisServer.Start();
        await using var silo = await SiloProcess.Start(redis.Url(), "only", backprop.Folder);
        var trained = (await backprop.Run("train", "large.yaml", "--cluster", redis.Url(), "--json")).Json;
        var exported = (
            await backprop.Run(
                "checkpoint",
                "export",
                trained.GetProperty("run").GetString()!,
                "--cluster",
                redis.Url(),
                "--to",
                "large.safetensors",
                "--json"
            )
        ).Json;
        Assert.Equal(
            trained.GetProperty("weightsSha256").GetString(),
            exported.GetProperty("weightsSha256").GetString()
        );
        Assert.InRange(
            new FileInfo(Path.Combine(backprop.Folder, "large.safetensors")).Length,
            112_000_000,
            114_000_000
        );
    }

    // 1,400 rows of 10,000 units cross from the silo of the first layer to that of the second, and their deltas back.
    [Fact]
    public async Task ActivationsOfAHundredMegabytesCross()
    {
        Write(features: 2, rows: 1400, units: 10_000);
        await using var redis = await RedisServer.Start();
        await using var one = await SiloProcess.Start(redis.Url(), "one", backprop.Folder);
        await using var two = await SiloProcess.Start(redis.Url(), "two", backprop.Folder);
        var trained = (
            await backprop.Run(
                "train",
                "large.yaml",
                "--cluster",
                redis.Url(),
                "--set",
                "cluster.placement=by-layer",
                "--set",
                "cluster.silos=2",
                "--json"
            )
        ).Json;
        Assert.Equal(0, trained.GetProperty("recoveries").GetInt32());
        Assert.True(
            trained.GetProperty("messages").GetProperty("remoteBytes").GetInt64() > 112_000_000,
            trained.ToString()
        );
    }

    [Fact]
    public async Task AHistoryOfManyPagesIsToldWhole()
    {
        const int Steps = 150_000;
        var spec = Runs.Mazur(Steps, Core.UpdateOrder.AfterBackward);
        await using var silos = new OneSilo();
        await silos.InitializeAsync();
        var plan = Tables.Plan(spec, Granularity.Layer, "pages");
        var told = new List<BatchMetrics>();
        var outcome = await TrainingClient.Train(
            silos.Grains,
            plan,
            TimeSpan.FromSeconds(20),
            progress => told.AddRange(progress.NewLosses),
            cancellation: TestContext.Current.CancellationToken
        );
        Assert.Equal(outcome.Result!.Steps, told);

        // A client that comes when all is over.
        var late = new List<int>();
        var again = await TrainingClient.Train(
            silos.Grains,
            plan,
            TimeSpan.FromSeconds(20),
            progress => late.Add(progress.NewLosses.Length),
            cancellation: TestContext.Current.CancellationToken
        );
        Assert.Equal(outcome.Result.Steps, again.Result!.Steps);
        Assert.True(
            late.Max() <= RunProgress.MaxMetrics && late.Count >= 3,
            $"told in pages of {string.Join(", ", late)}"
        );
    }

    private void Write(int features, int rows, int units)
    {
        var lines = new List<string> { string.Join(',', Enumerable.Range(0, features).Select(f => $"x{f}")) + ",t" };
        for (var row = 0; row < rows; row++)
            lines.Add(
                string.Join(
                    ',',
                    Enumerable
                        .Range(0, features)
                        .Select(f => ((row * 31 + f * 17) % 101 / 101.0).ToString(CultureInfo.InvariantCulture))
                ) + ",0.5"
            );
        File.WriteAllLines(Path.Combine(backprop.Folder, "large.csv"), lines);
        File.WriteAllText(
            Path.Combine(backprop.Folder, "large.yaml"),
            $$"""
            version: 1
            data: { source: csv, file: large.csv, target: t, batch: all, shuffle: false }
            model: { layers: [ { units: {{units}}, activation: tanh }, { units: 1, activation: identity } ], loss: mean_squared_error }
            optimizer: { kind: sgd, learning_rate: 0.0001 }
            training: { epochs: 2 }
            cluster: { silos: 1, step_deadline: 60s }
            """
        );
    }
}
