using BackpropCluster.Cli.Runs;
using BackpropCluster.ClusterTests.Processes;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Data;
using BackpropCluster.Simulation;

namespace BackpropCluster.ClusterTests.Contracts;

/// <summary>One loop without messages.</summary>
public sealed class ReferenceTrainerTests : TrainerContract
{
    protected override Task<TrainingResult> Train(RunSpec spec, Granularity granularity) =>
        Task.FromResult(ReferenceTrainer.Train(spec, Tables.Open(spec)));
}

/// <summary>The explorer, which delivers messages in an order that a seed determines.</summary>
public abstract class ExplorerContract(int exchanges, Disturbance disturbance) : CarrierContract
{
    // Above so many deliveries a run without a single fault would say that nothing disturbs it.
    private const int Many = 1000;

    protected override Task<TrainingResult> Carry(RunSpec spec, Granularity granularity)
    {
        var data = Tables.Open(spec);
        var explorer = new DeterministicSimulator(
            Runs.Plan(spec, data, granularity),
            data,
            DeterministicSimulator.Product,
            disturbance,
            spec.Seed,
            exchanges: exchanges
        );
        var result = explorer.Run();
        Assert.True(result is not null, $"the run failed: {explorer.Coordinator.Failure?.Reason}");
        var faults = new[] { explorer.Repeated, explorer.Lost, explorer.Coordinator.Recoveries };
        if (disturbance == Disturbance.None)
            Assert.All(faults, count => Assert.Equal(0, count));
        else if (explorer.Delivered > Many)
            Assert.All(faults, count => Assert.NotEqual(0, count));
        return Task.FromResult(result);
    }
}

public sealed class ExplorerTrainerTests() : ExplorerContract(exchanges: 1, Disturbance.None);

/// <summary>Two messages are lost, up to two actors lose their state, and every tenth message comes twice.</summary>
public sealed class DisturbedExplorerTrainerTests() : ExplorerContract(exchanges: 3, new Disturbance(0.1, 2, 2));

/// <summary>Silos, whoever started them: a client trains on them.</summary>
public abstract class SiloTrainerContract(bool isSpread) : CarrierContract
{
    protected abstract IGrainFactory Grains { get; }

    protected virtual RunPlan Plan(RunSpec spec, Granularity granularity) => Tables.Plan(spec, granularity, "contract");

    protected override async Task<TrainingResult> Carry(RunSpec spec, Granularity granularity)
    {
        var outcome = await TrainingClient.Train(
            Grains,
            Plan(spec, granularity),
            TimeSpan.FromSeconds(20),
            cancellation: TestContext.Current.CancellationToken
        );
        // Assert.NotNull would not say why.
        Assert.True(outcome.Result is not null, $"the run failed: {outcome.Last.Failure?.Reason}");
        Assert.Equal(0, outcome.Last.Recoveries);
        // Else equal bits would tell nothing about arrays that cross.
        Assert.Equal(isSpread, outcome.Traffic.Crossings > 0);
        return outcome.Result;
    }
}

public sealed class OneSiloTrainerTests(OneSilo silos) : SiloTrainerContract(isSpread: false), IClassFixture<OneSilo>
{
    protected override IGrainFactory Grains => silos.Grains;
}

public sealed class ThreeSiloTrainerTests(ThreeSilos silos)
    : SiloTrainerContract(isSpread: true),
        IClassFixture<ThreeSilos>
{
    protected override IGrainFactory Grains => silos.Grains;
}

/// <summary>Three silo processes, which read the rows from a file.</summary>
[Collection(SharedCluster.Name)]
public sealed class ThreeProcessTrainerTests : SiloTrainerContract
{
    private readonly SharedCluster cluster;
    private readonly string rows;

    public ThreeProcessTrainerTests(SharedCluster cluster)
        : base(isSpread: true)
    {
        RedisServer.Need();
        this.cluster = cluster;
        rows = Path.Combine(cluster.Folder, "contract.csv");
        if (!File.Exists(rows))
            File.WriteAllText(rows, ProcessRuns.Rows(classes: true, rows: 12));
    }

    protected override IGrainFactory Grains => cluster.Client.Grains;

    // A step takes about a millisecond from process to process: the last marks would take longer than all others.
    protected override int LastMark => 1000;

    // The rows that other trainers are handed in the place of iris; the tutorial's row every silo brings along.
    protected override RunPlan Plan(RunSpec spec, Granularity granularity)
    {
        var run = base.Plan(spec, granularity).Run;
        if (spec.Data.Source == DataSource.Iris)
            spec = spec with
            {
                Data = spec.Data with { Source = DataSource.Csv, Csv = new CsvFile(rows, Header: true, "kind", 3) },
            };
        var table = DataFiles.Read(spec.Data);
        return Planner.Plan(
            run,
            spec,
            granularity,
            Dataset.Prepare(table, spec.Data, spec.Seed, spec.Model.Layers[^1].Units)
        );
    }
}
