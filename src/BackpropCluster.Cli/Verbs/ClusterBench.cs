using System.Diagnostics;
using System.Globalization;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.Processes;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Bench;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Clustering;

namespace BackpropCluster.Cli.Verbs;

/// <summary>Two silo processes for a measurement, and what is measured on them.</summary>
internal sealed class ClusterBench : IAsyncDisposable
{
    private static readonly TimeSpan StepDeadline = TimeSpan.FromSeconds(60);
    private readonly DirectoryInfo folder;
    private readonly List<ChildSilo> silos = [];
    private ClusterClient? client;

    private ClusterBench(DirectoryInfo folder) => this.folder = folder;

    public IGrainFactory Grains => client!.Grains;

    /// <summary>The silos as placements name them, by their names.</summary>
    public string[] Silos { get; private set; } = [];

    /// <summary>Starts silo processes on free ports of this machine.</summary>
    public static async Task<ClusterBench> Start(int count, CancellationToken cancellation)
    {
        var bench = new ClusterBench(Directory.CreateTempSubdirectory("backprop-bench-"));
        try
        {
            var address = ClusterAddress.Local(Ports.Free());
            for (var i = 0; i < count; i++)
                bench.silos.Add(
                    await ChildSilo.Start(
                        $"silo-{i + 1}",
                        "--cluster",
                        address.ToString(),
                        "--run-dir",
                        bench.folder.FullName
                    )
                );
            bench.client = await ClusterClient.Connect(address, cancellation);
            bench.Silos = [.. (await bench.client.WaitForSilos(count, cancellation)).Select(s => s.Silo)];
            return bench;
        }
        catch
        {
            await bench.DisposeAsync();
            throw;
        }
    }

    public async Task<TrainingOutcome> Train(RunPlan plan, CancellationToken cancellation)
    {
        var outcome = await TrainingClient.Train(Grains, plan, StepDeadline, cancellation: cancellation);
        return outcome.Result is not null ? outcome : throw Failures.Of(outcome.Last, plan.Run);
    }

    /// <summary>Seconds that the arrays of one step take to cross, one after the other: half of what each takes there
    /// and back.</summary>
    public async Task<double> CrossingSeconds(RunPlan plan, int rows)
    {
        var (here, there) = (Grain(0), Grain(1));
        await here.Prepare("echo", [1], [Silos[0]]);
        await there.Prepare("echo", [1], [Silos[1]]);
        // By shard, half of each layer's units go each way, and what the Loss says goes to one of them.
        int[] units =
        [
            .. plan.Spec.Model.Layers.SelectMany(l => new[] { l.Units / 2, l.Units / 2 }),
            plan.Spec.Model.Layers[^1].Units,
        ];
        var seconds = 0.0;
        foreach (var count in units)
        {
            var payload = new Payload(count, rows, new double[count * rows]);
            seconds += await here.TimeEcho(there, payload, 30) / 2;
        }

        return seconds;

        IBareGrain Grain(int silo) => Grains.GetGrain<IBareGrain>($"echo/1/0/{Silos[silo]}");
    }

    /// <summary>Made-up pictures of 28 × 28 in IDX files that all silos can read.</summary>
    public DataSpec Pictures(int rows, int batch)
    {
        var chance = new CounterRandom(1, RandomPurpose.Simulation, 0);
        string Write(string name, byte[] header, int count, Func<int, byte> value)
        {
            var path = Path.Combine(folder.FullName, name);
            File.WriteAllBytes(path, [.. header, .. Enumerable.Range(0, count).Select(value)]);
            return path;
        }

        byte[] Number(int number) => [(byte)(number >> 24), (byte)(number >> 16), (byte)(number >> 8), (byte)number];
        var images = Write(
            "images",
            [0, 0, 8, 3, .. Number(rows), .. Number(28), .. Number(28)],
            rows * 784,
            i => (byte)chance.Below(256, (ulong)i)
        );
        var labels = Write("labels", [0, 0, 8, 1, .. Number(rows)], rows, i => (byte)(i % 10));
        return new DataSpec
        {
            Source = DataSource.Idx,
            Idx = new IdxFiles(images, labels, null, null),
            Batch = batch,
            Scale = Scaling.MinMax,
        };
    }

    public async ValueTask DisposeAsync()
    {
        if (client is not null)
            await client.DisposeAsync();
        // The first one last: it keeps the members.
        foreach (var silo in Enumerable.Reverse(silos))
            await silo.DisposeAsync();
        folder.Delete(recursive: true);
    }
}
