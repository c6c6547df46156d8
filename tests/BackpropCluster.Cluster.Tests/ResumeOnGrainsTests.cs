using BackpropCluster.Cli.Runs;
using BackpropCluster.Core;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.ClusterTests;

/// <summary>Runs that are stopped and go on in another cut and on another cluster, which shares nothing with the first
/// but the store.</summary>
public sealed class ResumeOnGrainsTests(OneSilo one, ThreeSilos three)
    : IClassFixture<OneSilo>,
        IClassFixture<ThreeSilos>
{
    private const int Stops = 24;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);
    private static readonly Granularity[] Cuts = [Granularity.Neuron, new(3), Granularity.Layer];

    [Theory]
    [InlineData(OptimizerKind.Sgd)]
    [InlineData(OptimizerKind.Adam)]
    public async Task StoppedAtAnyStepAndResumedElsewhereItEndsInTheSameBits(OptimizerKind kind)
    {
        var spec = Runs.Uneven(batch: 1, epochs: 40) with { Optimizer = OptimizerSpec.Defaults(kind, 0.05) };
        var reference = ReferenceTrainer.Train(spec, Tables.Open(spec));
        var chance = new CounterRandom(5, RandomPurpose.Simulation, (uint)kind);
        var plan = Tables.Plan(spec, Granularity.Layer, "resume") with
        {
            Checkpoints = new CheckpointRule(7, TimeSpan.Zero),
        };
        var stoppedAt = new List<int>();
        for (ulong stop = 0; stop < Stops; stop++)
        {
            // A run of its own: stopped once at a random step on one cluster, finished on the other.
            var run = plan with
            {
                Run = $"{plan.Run}-{stop}",
                Fingerprint = plan.Fingerprint + stop,
            };
            var step = 1 + chance.Below(reference.Steps.Length - 2, 3 * stop);
            Silos first = stop % 2 == 0 ? one : three;
            Silos second = stop % 2 == 0 ? three : one;
            var cut = Cuts[chance.Below(3, 3 * stop + 1)];
            var stopped = await StopAt(first, run with { Granularity = cut }, step);
            // On a loaded machine the request can come after the end; then an earlier step is tried, in another run.
            while (stopped.Status == RunStatus.Completed && step > 1)
            {
                (step, run) = (step / 2, run with { Run = $"{run.Run}-again" });
                stopped = await StopAt(first, run with { Granularity = cut }, step);
            }

            stoppedAt.Add(stopped.CommittedSteps);
            Assert.Equal((RunStatus.Interrupted, stopped.CommittedSteps), (stopped.Status, stopped.SavedVersion));

            var outcome = await TrainingClient.Train(
                second.Grains,
                run with
                {
                    Granularity = Cuts[chance.Below(3, 3 * stop + 2)],
                },
                Deadline,
                cancellation: TestContext.Current.CancellationToken
            );
            Assert.True(
                outcome.Result is not null,
                $"stop {stop} at {stopped.CommittedSteps}: {outcome.Last.Failure?.Reason}"
            );
            Assert.Equal(
                (reference.WeightsSha256, stopped.CommittedSteps, 0),
                (outcome.Result.WeightsSha256, outcome.Last.FirstVersion, outcome.Last.ReplayedSteps)
            );
            Assert.Equal(reference.Steps, outcome.Result.Steps);
            Assert.Equal(reference.Evaluations, outcome.Result.Evaluations);
        }

        TestContext.Current.TestOutputHelper!.WriteLine(
            $"stopped at {string.Join(", ", stoppedAt)} of {reference.Steps.Length}"
        );
        Assert.True(stoppedAt.Distinct().Count() >= 20, $"only {stoppedAt.Distinct().Count()} different stops");
    }

    // Asked in the middle of the step, from the silo that computes it; the run ends at the first boundary after the
    // request arrives.
    private static async Task<RunProgress> StopAt(Silos silos, RunPlan plan, int step)
    {
        var coordinator = silos.Grains.GetGrain<ICoordinatorGrain>(plan.Run);
        silos.Heard = _ => coordinator.Interrupt().AsTask().Ignore();
        try
        {
            await coordinator.Start(plan with { Trace = new TraceSpec(0, step) }, 0, Deadline, "");
            while (await coordinator.Watch(0, 0) is { } progress)
                if (progress.IsOver)
                    return progress;
            throw new InvalidOperationException("the coordinator is gone");
        }
        finally
        {
            silos.Heard = null;
        }
    }
}
