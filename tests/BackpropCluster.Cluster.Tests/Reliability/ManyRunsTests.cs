using System.Globalization;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.ClusterTests.Processes;
using Orleans.Runtime;

namespace BackpropCluster.ClusterTests.Reliability;

/// <summary>Runs of ten different run files, one after the other, on one cluster.</summary>
/// <remarks>What the last leaves behind is what the tenth left.</remarks>
[Collection(SerialTests.Name), Trait("length", "long")]
public sealed class ManyRunsTests : IDisposable
{
    private const int Runs = 100;
    private const int Files = 10;
    private const double Tolerance = 1.1;
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan PoolsKeep = TimeSpan.FromSeconds(80);
    private static readonly TimeSpan ReleaseBound = TimeSpan.FromMinutes(2);

    private readonly Backprop backprop = new();

    public ManyRunsTests()
    {
        RequiresLongTests.Need();
        RedisServer.Need();
    }

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task AHundredRunsOfTenFilesLeaveWhatTheTenthLeft()
    {
        await using var cluster = await Faults.Cluster();
        var before = new Dictionary<string, Left>();
        for (var i = 1; i <= Runs; i++)
        {
            var path = ProcessRuns.Write(backprop.Folder, name: $"file-{i % Files}");
            var file = RunFileLoader.Load(
                path,
                [
                    $"seed={i % Files}",
                    $"data.batch={1 + i % 5}",
                    "data.microbatches=1",
                    $"cluster.granularity={3 + i % Files}",
                    "training.epochs=400",
                    "training.checkpoint_every=100",
                ]
            );
            await ProcessRuns.TrainToTheReference(cluster.Client.Grains, file);
            if (i == Files)
                before = await WhatIsLeft(cluster);
        }

        var after = await WhatIsLeft(cluster);
        foreach (var (silo, left) in after)
            Faults.Tell($"{silo}: after {Files} runs {before[silo]}, after {Runs} {left}");
        // A silo keeps every network buffer that it ever needed at once, up to 6 MiB by chance. So each is compared
        // with the silo that held most after ten runs.
        var fullest = before.Values.Max(left => left.HeldBytes);
        foreach (var (silo, left) in after)
        {
            Assert.True(
                left.Grains <= Tolerance * before[silo].Grains,
                $"{silo} holds {left.Grains} grains after {Runs} runs, {before[silo].Grains} after {Files}"
            );
            Assert.True(
                left.HeldBytes <= Tolerance * fullest,
                $"{silo} holds {left.HeldBytes >> 20} MiB after {Runs} runs, the fullest {fullest >> 20} after {Files}"
            );
        }
    }

    // A run is kept for half a minute for its readers.
    private static async Task<Dictionary<string, Left>> WhatIsLeft(SharedCluster cluster)
    {
        var descriptions = await cluster.Client.Silos();
        using var bound = new CancellationTokenSource(ReleaseBound);
        using var pause = new PeriodicTimer(LookEvery);
        while (descriptions.Any(silo => silo.Actors.Values.Sum() > 0))
        {
            Assert.False(
                bound.IsCancellationRequested,
                $"parts of runs that are over stand on silos after {ReleaseBound.TotalMinutes} minutes: "
                    + string.Join(
                        "; ",
                        descriptions.SelectMany(s => s.Actors.Where(p => p.Value > 0)).Select(p => p.Key).Distinct()
                    )
            );
            await pause.WaitForNextTickAsync(CancellationToken.None);
            descriptions = await cluster.Client.Silos();
        }

        // Garbage is not held. And the runtime's pools keep arrays for a minute after their last use; only a collection
        // takes them back.
        var management = cluster.Client.Grains.GetGrain<IManagementGrain>(0);
        for (var waited = TimeSpan.Zero; waited < PoolsKeep; waited += pause.Period)
        {
            await management.ForceGarbageCollection(null!);
            await pause.WaitForNextTickAsync(CancellationToken.None);
        }

        descriptions = await cluster.Client.Silos();
        var grains = await management.GetSimpleGrainStatistics();
        var counts = grains
            .GroupBy(g => g.GrainType)
            .Select(g => $"{g.Key.Split('.')[^1]} " + $"{g.Sum(x => x.ActivationCount)}");
        Faults.Tell(string.Join(", ", counts));
        return descriptions.ToDictionary(
            d => d.Name,
            d => new Left(
                grains.Where(g => g.SiloAddress.ToParsableString() == d.Silo).Sum(g => g.ActivationCount),
                d.HeldBytes,
                d.MemoryBytes
            )
        );
    }

    /// <param name="Grains">That are active.</param>
    /// <param name="HeldBytes">Of the heap, without the gaps between its objects.</param>
    /// <param name="ProcessBytes">Printed, and not judged: Orleans pins its network buffers where they were made, and
    /// each keeps a region of the heap in memory.</param>
    private readonly record struct Left(int Grains, long HeldBytes, long ProcessBytes)
    {
        public override string ToString() =>
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Grains} grains, {HeldBytes / 1_048_576.0:F1} MiB held, {ProcessBytes >> 20} MiB of the process"
            );
    }
}
