using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Core;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Coordination;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Runtime;
using Orleans.TestingHost;

namespace BackpropCluster.ClusterTests;

/// <summary>What three silos do that one cannot.</summary>
public sealed class ThreeSilosTests(ThreeSilos silos) : IClassFixture<ThreeSilos>
{
    private static readonly TimeSpan StepDeadline = TimeSpan.FromSeconds(20);

    /// <summary>Or a step's deadline would restore the run onto a frozen silo before anybody knows that it is
    /// frozen.</summary>
    [Fact]
    public void AFrozenSiloIsKnownBeforeTheDefaultDeadlineOfAStep()
    {
        var options = ((InProcessSiloHandle)silos.Cluster.Silos[0])
            .ServiceProvider.GetRequiredService<IOptions<ClusterMembershipOptions>>()
            .Value;
        Assert.Equal(TimeSpan.FromSeconds(7.5), options.MaxProbeTimeout * options.NumMissedProbesLimit);
        Assert.True(
            options.MaxProbeTimeout * options.NumMissedProbesLimit
                < RunFileLoader.Load(Path.Combine(Backprop.Root, "examples", "digits.yaml"), null).Cluster.StepDeadline
        );
    }

    [Fact]
    public async Task EveryPartStandsWhereThePlanPutIt()
    {
        var plan = Tables.Plan(Runs.Uneven(5), Granularity.Neuron, "placed");
        var outcome = await TrainingClient.Train(
            silos.Grains,
            plan,
            StepDeadline,
            cancellation: TestContext.Current.CancellationToken
        );
        var placement = outcome.Last.Placement!;
        var activations = await silos
            .Grains.GetGrain<IManagementGrain>(0)
            .GetDetailedGrainStatistics(null, null, TestContext.Current.CancellationToken);
        foreach (var shard in Enumerable.Range(1, plan.Depth).SelectMany(layer => plan.ShardsOf(layer)))
        {
            var name = string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"{plan.Run}/layer-{shard.Layer}/units-{shard.First}-{shard.Last}/{shard.Index}/"
            );
            var activation = Assert.Single(
                activations,
                a => a.GrainId.Key.ToString()!.StartsWith(name, StringComparison.Ordinal)
            );
            Assert.Equal(
                placement.SiloOf(plan.OrdinalOf(ActorId.Shard(shard.Layer, shard.Index))),
                activation.SiloAddress.ToParsableString()
            );
        }

        Assert.Equal(3, placement.SiloOfPart.Distinct().Count());
    }

    /// <summary>Each step sends what the plan says; each evaluated chunk and the Restore of the start come on
    /// top.</summary>
    [Theory, InlineData("neuron"), InlineData("4"), InlineData("layer")]
    public async Task LogicalMessagesAreCountedOnce(string cut)
    {
        Assert.True(Granularity.TryParse(cut, out var granularity));
        var plan = Tables.Plan(Runs.Uneven(5, epochs: 3), granularity, "counted");
        var outcome = await TrainingClient.Train(
            silos.Grains,
            plan,
            StepDeadline,
            cancellation: TestContext.Current.CancellationToken
        );

        // An evaluation: Evaluate, rows to layer 1, activations upward, Report. The start: Restored from every part.
        var evaluation =
            1L
            + plan.ShardsOf(1).Length
            + plan.ShardsOf(plan.Depth).Length
            + 1
            + Enumerable
                .Range(1, plan.Depth - 1)
                .Sum(layer => (long)plan.ShardsOf(layer).Length * plan.ShardsOf(layer + 1).Length);
        var expected =
            outcome.Last.Steps * plan.MessagesPerStep
            + outcome.Result!.Evaluations.Length * evaluation
            + plan.ActorCount;
        Assert.Equal(expected, outcome.Traffic.Local + outcome.Traffic.Remote);
        Assert.True(outcome.Traffic.Remote > 0, "three silos exchanged nothing");
    }

    [Fact]
    public async Task ADivergingRunNamesLayerAndStep()
    {
        // Identity units and a learning rate of 10: the weights grow without bound and some net overflows.
        var run = Runs.Uneven(5, epochs: 2_000);
        run = run with
        {
            Model = run.Model with
            {
                Layers = [Runs.Layer(13, Activation.Identity), Runs.Layer(3, Activation.Identity)],
            },
            Optimizer = new Sgd { LearningRate = 10 },
        };
        var plan = Tables.Plan(run, Granularity.Neuron, "diverging");
        var outcome = await TrainingClient.Train(
            silos.Grains,
            plan,
            StepDeadline,
            cancellation: TestContext.Current.CancellationToken
        );
        Assert.Null(outcome.Result);
        Assert.Equal(FailureKind.NotFinite, outcome.Last.Failure!.Kind);
        Assert.Matches(
            @"a (net|weight) of layer \d .*not .*a finite number.* at step \d+|the loss became .* at step \d+",
            outcome.Last.Failure.Reason
        );
    }
}

/// <summary>A silo that is lost costs a recovery and no bit. Each test has a cluster of its own: it does not
/// survive.</summary>
public sealed class SiloLossTests
{
    [Theory, InlineData(true), InlineData(false)]
    public async Task KillingASiloInTheMiddleOfARunChangesNoBit(bool coordinators)
    {
        await using var silos = new ThreeSilos();
        await silos.InitializeAsync();
        var spec = Runs.Uneven(1, epochs: 300);
        var plan = Tables.Plan(spec, Granularity.Neuron, "killed");
        var killed = Task.CompletedTask;
        var outcome = await TrainingClient.Train(
            silos.Grains,
            plan,
            TimeSpan.FromSeconds(5),
            Kill,
            cancellation: TestContext.Current.CancellationToken
        );
        await killed;

        Assert.NotSame(Task.CompletedTask, killed);
        Assert.True(outcome.Result is not null, $"the run failed: {outcome.Last.Failure?.Reason}");
        Assert.True(outcome.Last.Term > 1, "the run did not notice that a silo was gone");
        var reference = ReferenceTrainer.Train(spec, Tables.Open(spec));
        Assert.Equal(reference.WeightsSha256, outcome.Result.WeightsSha256);
        Assert.Equal(reference.Steps, outcome.Result.Steps);

        void Kill(RunProgress progress)
        {
            if (progress.CommittedSteps < 20 || killed != Task.CompletedTask)
                return;
            var victim = silos.Cluster.Silos.First(s =>
                s.SiloAddress.ToParsableString() == progress.Placement!.CoordinatorSilo == coordinators
            );
            killed = silos.Cluster.KillSiloAsync(victim, TestContext.Current.CancellationToken);
        }
    }
}
