using System.Diagnostics;
using System.Globalization;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.ClusterTests.Processes;

namespace BackpropCluster.ClusterTests.Reliability;

/// <summary>A client stays with its run while random silos are killed and started again.</summary>
/// <remarks>BACKPROP_ATTACHED_SECONDS says how long silos are killed, 300 where the whole promise is asked for;
/// BACKPROP_ATTACHED_TIMES how many times in a row, 20 there.</remarks>
[Collection(SerialTests.Name), Trait("length", "long")]
public sealed class AttachedClientTests : IDisposable
{
    private static readonly int Times = Setting("BACKPROP_ATTACHED_TIMES", 1);
    private static readonly TimeSpan Killing = TimeSpan.FromSeconds(Setting("BACKPROP_ATTACHED_SECONDS", 60));
    private static readonly TimeSpan EndBound = Killing + TimeSpan.FromMinutes(4);
    private readonly Backprop backprop = new();

    public AttachedClientTests()
    {
        RequiresLongTests.Need();
        RedisServer.Need();
    }

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task AClientStaysWhileSilosAreKilledAndStartedAgain()
    {
        for (var seed = 1; seed <= Times; seed++)
            await Attached(new Random(seed));
    }

    private async Task Attached(Random chance)
    {
        await using var cluster = await Faults.Cluster();
        // Three steps each. Some thousand a second while nobody is killed: a run that lasts about as long as its silos
        // are.
        string[] sets = [$"training.epochs={Killing.TotalSeconds * 500:0}", "training.checkpoint_every=200"];
        var file = RunFileLoader.Load(ProcessRuns.Write(backprop.Folder), sets);
        await using var client = Child.Backprop(
            backprop.Folder,
            [
                "train",
                "seven.yaml",
                "--cluster",
                cluster.Url,
                "--json",
                .. sets.SelectMany(set => new[] { "--set", set }),
            ]
        );
        var (began, kills) = (Stopwatch.GetTimestamp(), 0);
        while (client.IsRunning && Stopwatch.GetElapsedTime(began) < Killing)
        {
            await Faults.Hold(TimeSpan.FromSeconds(5 + 10 * chance.NextDouble()));
            var victim = cluster.Silos[chance.Next(cluster.Silos.Count)];
            await victim.Process.Kill();
            cluster.Silos.Remove(victim);
            await cluster.AddSilo();
            kills++;
        }

        var ended = await Faults.EndsWithin(client, EndBound);
        Faults.Tell(
            $"{kills} kills in {Stopwatch.GetElapsedTime(began).TotalSeconds:0} s; the client said: {ended.Talk}"
        );
        Assert.True(kills > 1, $"only {kills} silos were killed before the run was over");
        Assert.Equal(ProcessRuns.Reference(file).WeightsSha256, ended.Json.GetProperty("weightsSha256").GetString());
    }

    private static int Setting(string name, int standard) =>
        int.TryParse(
            Environment.GetEnvironmentVariable(name),
            NumberStyles.None,
            CultureInfo.InvariantCulture,
            out var value
        )
            ? value
            : standard;
}
