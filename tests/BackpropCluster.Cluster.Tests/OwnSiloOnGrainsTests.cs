using BackpropCluster.Cli.Runs;
using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Silos;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime;
using Orleans.Runtime.Placement;
using Orleans.TestingHost;

namespace BackpropCluster.ClusterTests;

/// <summary>A coordinator on a silo that can hold no part of its run, here since it is of another version, leads as
/// well as any other.</summary>
public sealed class OwnSiloOnGrainsTests : IAsyncLifetime
{
    private const int Silos = 3;
    private const int Steps = 6000;
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-own-silo-");
    private int configured;
    private InProcessTestCluster? cluster;

    public async ValueTask InitializeAsync()
    {
        var builder = new InProcessTestClusterBuilder(Silos);
        builder.ConfigureSilo(
            (_, silo) =>
            {
                silo.Services.AddSingleton(
                    new ProgramVersion(Interlocked.Increment(ref configured) == 1 ? "other" : "right")
                );
                silo.Services.AddCheckpointFolder(folder.FullName);
                silo.AddBackprop().AddRuns();
            }
        );
        cluster = builder.Build();
        await cluster.DeployAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (cluster is not null)
            await cluster.DisposeAsync();
        folder.Delete(recursive: true);
    }

    // It was handed over to nobody: the coordinator took the first silo of its list for its own, and was alive and deaf
    // from then on.
    [Fact]
    public async Task AnotherSiloLeavesAndTheRunGoesOn()
    {
        var (plan, leading) = await LedFromTheOther();
        var leaver = Handles.First(s => s.SiloAddress.ToParsableString() == leading.Placement!.Silos[0]);
        Assert.True(await Departure(leaver).Leave(Bound), "its parts were not moved within 30 s");
        await EndsAsTheReference(plan);
    }

    [Fact]
    public async Task ItsOwnSiloLeavesAndAnotherOneLeadsOn()
    {
        var (plan, leading) = await LedFromTheOther();
        var own = Handles.Single(s => s.SiloAddress.ToParsableString() == leading.Placement!.CoordinatorSilo);
        Assert.True(await Departure(own).Leave(Bound), "its run was not handed over within 30 s");
        await cluster!.StopSiloAsync(own, TestContext.Current.CancellationToken);
        var last = await EndsAsTheReference(plan);
        Assert.NotEqual(own.SiloAddress.ToParsableString(), last.Placement!.CoordinatorSilo);
        Assert.Equal(0, last.ReplayedSteps);
    }

    private IEnumerable<InProcessSiloHandle> Handles => cluster!.Silos.Cast<InProcessSiloHandle>();

    private static SiloDrain Departure(InProcessSiloHandle silo) =>
        silo.ServiceProvider.GetRequiredService<SiloDrain>();

    private static string Version(InProcessSiloHandle silo) =>
        silo.ServiceProvider.GetRequiredService<ProgramVersion>().Text;

    // Where a grain is placed is a hint, and another silo may be faster: then it is another run's turn.
    private async Task<(RunPlan Plan, RunProgress Progress)> LedFromTheOther()
    {
        var other = Handles.Single(s => Version(s) == "other");
        for (var run = 1; run <= 10; run++)
        {
            var plan = SavedRuns.PlanOf($"own-{run}", seed: 7) with
            {
                Version = "right",
                Checkpoints = new CheckpointRule(500, TimeSpan.Zero),
            };
            plan = plan with { Spec = plan.Spec with { Training = plan.Spec.Training with { Epochs = Steps } } };
            await other
                .ServiceProvider.GetRequiredService<RunCatalog>()
                .Enter(new RunRecord(plan, TimeSpan.FromSeconds(20), "", RunStatus.Training, null, 0));
            RequestContext.Set(IPlacementDirector.PlacementHintKey, other.SiloAddress);
            var coordinator = cluster!.Client.GetGrain<ICoordinatorGrain>(plan.Run);
            await coordinator.Wake();
            RequestContext.Remove(IPlacementDirector.PlacementHintKey);
            if (
                await Led(coordinator) is var progress
                && progress.Placement!.CoordinatorSilo == other.SiloAddress.ToParsableString()
            )
            {
                Assert.False(
                    progress.Placement.Uses(progress.Placement.CoordinatorSilo),
                    "a silo of another version holds parts"
                );
                return (plan, progress);
            }
        }

        throw new InvalidOperationException("no coordinator was placed where it was to be");
    }

    private static async Task<RunProgress> Led(ICoordinatorGrain coordinator)
    {
        using var bound = new CancellationTokenSource(Bound);
        RunProgress? progress;
        while (
            (progress = await coordinator.Watch(int.MaxValue, int.MaxValue))?.Placement is null
            || progress.CommittedSteps == 0
        )
            Assert.False(bound.IsCancellationRequested, $"the run was not led within {Bound.TotalSeconds} s");
        return progress;
    }

    private async Task<RunProgress> EndsAsTheReference(RunPlan plan)
    {
        using var bound = new CancellationTokenSource(Bound);
        var outcome = await TrainingClient.Train(
            cluster!.Client,
            plan,
            TimeSpan.FromSeconds(20),
            cancellation: bound.Token
        );
        Assert.True(
            outcome.Result is not null,
            $"within {Bound.TotalSeconds} s the run came to {outcome.Last.Status} at step "
                + $"{outcome.Last.CommittedSteps}: {outcome.Last.Failure?.Reason}"
        );
        Assert.Equal(
            Core.Learning.ReferenceTrainer.Train(plan.Spec, Runs.BuiltIn(plan.Spec)).WeightsSha256,
            outcome.Result.WeightsSha256
        );
        return outcome.Last;
    }
}
