using System.Globalization;
using BackpropCluster.Cli;
using BackpropCluster.Grains;
using BackpropCluster.Tests.Processes;
using Orleans.Runtime;

namespace BackpropCluster.Tests.Reliability;

/// <summary>Runs of ten different run files, one after the other, on one cluster: what the last leaves behind is what the tenth left.</summary>
[Collection(Alone.Name), Trait("length", "long")]
public sealed class ManyRunsTests : IDisposable
{
    private const string Count = "BACKPROP_RUNS";
    private const int Files = 10;
    private const double Tolerance = 1.1;
    private static readonly TimeSpan ReleaseBound = TimeSpan.FromMinutes(2);
    // A collector that has room lets the heap grow for minutes, and a process's memory says nothing of what is held. With these a silo
    // collects early and gives back what it can. Numbers are hexadecimal.
    private static readonly (string Name, string Value)[] Frugal =
        [("DOTNET_gcServer", "0"), ("DOTNET_gcConcurrent", "0"), ("DOTNET_GCgen0size", "400000"), ("DOTNET_GCConserveMemory", "9")];

    private readonly Backprop backprop = new();

    public ManyRunsTests()
    {
        LongTime.Need();
        // Not in CI: what a process takes depends on what else the machine does. On a quiet one: BACKPROP_RUNS=100.
        Assert.SkipUnless(Environment.GetEnvironmentVariable(Count) is { Length: > 0 }, $"measures memory on a quiet machine: set {Count}=100");
        RedisServer.Need();
        // Of this process, which is at work already, it changes nothing; the silos that it starts take it over.
        foreach (var (name, value) in Frugal) Environment.SetEnvironmentVariable(name, value);
    }

    public void Dispose()
    {
        foreach (var (name, _) in Frugal) Environment.SetEnvironmentVariable(name, null);
        backprop.Dispose();
    }

    [Fact]
    public async Task AHundredRunsOfTenFilesLeaveWhatTheTenthLeft()
    {
        var runs = int.TryParse(Environment.GetEnvironmentVariable(Count), out var count) ? count : 100;
        await using var cluster = await Faults.Cluster();
        var before = new Dictionary<string, Left>();
        for (var i = 1; i <= runs; i++)
        {
            var path = ProcessRuns.Write(backprop.Folder, name: $"file-{i % Files}");
            var file = RunFileLoader.Load(path, [$"seed={i % Files}", $"data.batch={1 + i % 5}", "data.microbatches=1", $"cluster.granularity={3 + i % Files}", "training.epochs=40", "training.checkpoint_every=20"]);
            await ProcessRuns.TrainToTheReference(cluster.Client.Grains, file);
            if (i == Files) before = await WhatIsLeft(cluster);
        }

        var after = await WhatIsLeft(cluster);
        foreach (var (silo, left) in after) Faults.Tell($"{silo}: after {Files} runs {before[silo]}, after {runs} {left}");
        foreach (var (silo, left) in after)
        {
            Assert.True(left.Grains <= Tolerance * before[silo].Grains, $"{silo} holds {left.Grains} grains after {runs} runs, {before[silo].Grains} after {Files}");
            Assert.True(left.MemoryBytes <= Tolerance * before[silo].MemoryBytes, $"{silo} takes {left.MemoryBytes >> 20} MiB after {runs} runs, {before[silo].MemoryBytes >> 20} after {Files}");
        }
    }

    // A run is kept for half a minute for its readers.
    private static async Task<Dictionary<string, Left>> WhatIsLeft(SharedCluster cluster)
    {
        var descriptions = await cluster.Client.Silos();
        using var bound = new CancellationTokenSource(ReleaseBound);
        using var pause = new PeriodicTimer(TimeSpan.FromSeconds(1));
        while (descriptions.Any(silo => silo.Parts.Values.Sum() > 0))
        {
            Assert.False(bound.IsCancellationRequested, $"parts of runs that are over stand on silos after {ReleaseBound.TotalMinutes} minutes: {string.Join("; ", descriptions.SelectMany(s => s.Parts.Where(p => p.Value > 0)).Select(p => p.Key).Distinct())}");
            await pause.WaitForNextTickAsync(CancellationToken.None);
            descriptions = await cluster.Client.Silos();
        }

        var grains = await cluster.Client.Grains.GetGrain<IManagementGrain>(0).GetSimpleGrainStatistics();
        Faults.Tell($"{string.Join(", ", grains.GroupBy(g => g.GrainType).Select(g => string.Create(CultureInfo.InvariantCulture, $"{g.Key.Split('.')[^1]} {g.Sum(x => x.ActivationCount)}")))}");
        return descriptions.ToDictionary(d => d.Name, d => new Left(grains.Where(g => g.SiloAddress.ToParsableString() == d.Silo).Sum(g => g.ActivationCount), d.MemoryBytes));
    }

    private readonly record struct Left(int Grains, long MemoryBytes)
    {
        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Grains} grains and {MemoryBytes >> 20} MiB");
    }
}
