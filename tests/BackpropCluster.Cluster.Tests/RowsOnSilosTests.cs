using System.Collections.Concurrent;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Data;
using BackpropCluster.Grains.Silos;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime;
using Orleans.TestingHost;

namespace BackpropCluster.ClusterTests;

/// <summary>Silos of which some cannot bring the rows: others train, and where none can, the run says which silo lacks
/// which file.</summary>
public sealed class RowsOnSilosTests : IAsyncLifetime
{
    private static readonly TimeSpan StepDeadline = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan EndBound = TimeSpan.FromSeconds(60);
    private static readonly string Folder = Directory.CreateTempSubdirectory("backprop-rows-").FullName;

    // By the silo's name: whether it can read, and how often it has.
    private readonly ConcurrentDictionary<string, bool> isUnreadable = new();
    private readonly ConcurrentDictionary<string, int> readings = new();
    private InProcessTestCluster? silos;

    private InProcessTestCluster Silos => silos ?? throw new InvalidOperationException("the silos are not started");

    public async ValueTask InitializeAsync()
    {
        var builder = new InProcessTestClusterBuilder(3);
        builder.ConfigureSilo(
            (options, silo) =>
            {
                silo.Services.AddSingleton<TableReader>(data => Read(options.SiloName, data));
                silo.Services.AddCheckpointFolder(Folder);
                silo.AddBackprop();
            }
        );
        silos = builder.Build();
        await silos.DeployAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (silos is not null)
            await silos.DisposeAsync();
    }

    [Fact]
    public async Task ASiloThatCannotBringTheRowsIsPassedOverAndTheOthersTrainToTheReference()
    {
        var spec = Runs.Uneven(5, epochs: 4);
        var plan = Tables.Plan(spec, Granularity.Neuron, "passed-over") with { Placement = PlacementRule.ByShard };
        var poor = Silos.Silos[1];
        isUnreadable[poor.Name] = true;
        var outcome = await TrainingClient.Train(
            Silos.Client,
            plan,
            StepDeadline,
            cancellation: TestContext.Current.CancellationToken
        );
        Assert.True(outcome.Result is not null, $"the run failed: {outcome.Last.Failure?.Reason}");
        Assert.Equal(ReferenceTrainer.Train(spec, Tables.Open(spec)).WeightsSha256, outcome.Result.WeightsSha256);
        Assert.False(
            outcome.Last.Placement!.Uses(poor.SiloAddress.ToParsableString()),
            "the silo without rows holds parts"
        );
        Assert.Contains(
            outcome.Last.Warnings,
            w => w.Contains($"silo {poor.Name}: rows.csv: gone for this test", StringComparison.Ordinal)
        );
    }

    [Fact]
    public async Task WhereNoSiloCanBringTheRowsTheRunEndsAndNamesSiloAndFile()
    {
        var plan = Tables.Plan(Runs.Uneven(5, epochs: 4), Granularity.Neuron, "nobody") with
        {
            Placement = PlacementRule.ByShard,
        };
        foreach (var silo in Silos.Silos)
            isUnreadable[silo.Name] = true;
        var outcome = await TrainingClient
            .Train(Silos.Client, plan, StepDeadline, cancellation: TestContext.Current.CancellationToken)
            .WaitAsync(EndBound, TestContext.Current.CancellationToken);
        Assert.Equal((RunStatus.Failed, FailureKind.Data), (outcome.Last.Status, outcome.Last.Failure!.Kind));
        Assert.Matches("^silo .*: rows.csv: gone for this test$", outcome.Last.Failure.Reason);

        // One unreadable moment is over when it is over.
        isUnreadable.Clear();
        var again = await TrainingClient.Train(
            Silos.Client,
            plan with
            {
                Run = plan.Run + "-again",
            },
            StepDeadline,
            cancellation: TestContext.Current.CancellationToken
        );
        Assert.True(again.Result is not null, $"the run failed: {again.Last.Failure?.Reason}");
    }

    /// <summary>Runs that differ only in how rows are taken share them, and with the last of them the rows
    /// go.</summary>
    [Fact]
    public async Task FourBatchSizesKeepOneDataSetAndNoneOnceTheRunsAreReleased()
    {
        var plans = new[] { 1, 2, 3, 5 }
            .Select(batch =>
                Tables.Plan(Runs.Uneven(batch), Granularity.Layer, $"batch-{batch}") with
                {
                    Placement = PlacementRule.Pack,
                }
            )
            .ToList();
        var placements = new List<Placement>();
        foreach (var plan in plans)
        {
            var outcome = await TrainingClient.Train(
                Silos.Client,
                plan,
                StepDeadline,
                cancellation: TestContext.Current.CancellationToken
            );
            Assert.True(outcome.Result is not null, $"the run failed: {outcome.Last.Failure?.Reason}");
            placements.Add(outcome.Last.Placement!);
        }

        // Each run's coordinator stands where it likes, and so does all else of it; a silo with more than one read for
        // them all once.
        Assert.All(readings, read => Assert.Equal(1, read.Value));
        Assert.All(Catalogs(), catalog => Assert.InRange(catalog.Count, 0, 1));
        foreach (var (plan, placement) in plans.Zip(placements))
            Silos.Client.ExchangeOn(plan.Run, placement.CoordinatorSilo).Release();
        Assert.True(
            await Reliability.Faults.ComesAbout(AreCollected, TimeSpan.FromSeconds(30)),
            "rows that no run needs were still held after 30 s"
        );
    }

    private bool AreCollected()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Catalogs().All(catalog => catalog.Count == 0);
    }

    private IEnumerable<DataCatalog> Catalogs() =>
        Silos.Silos.Select(silo => ((InProcessSiloHandle)silo).ServiceProvider.GetRequiredService<DataCatalog>());

    private Table Read(string silo, Core.DataSpec data)
    {
        if (isUnreadable.GetValueOrDefault(silo))
            throw new DataException("rows.csv", "gone for this test", "Bring it back.");
        readings.AddOrUpdate(silo, 1, (_, count) => count + 1);
        return Tables.Read(data);
    }
}
