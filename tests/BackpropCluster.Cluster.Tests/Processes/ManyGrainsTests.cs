using System.Diagnostics;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Core;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Clustering;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>A neuron a grain, for twenty thousand of them.</summary>
[Trait("length", "long")]
public sealed class ManyGrainsTests
{
    private const int Neurons = 20_000;
    private static readonly TimeSpan FirstStep = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan StepDeadline = TimeSpan.FromSeconds(30);

    public ManyGrainsTests() => RequiresLongTests.Need();

    [Fact]
    public async Task TheyStandOnTwoSiloProcessesInTenSecondsAndTrainToTheReference()
    {
        var folder = Directory.CreateTempSubdirectory("backprop-many-");
        try
        {
            var url = $"localhost:{RedisServer.FreePort()}";
            await using var first = await SiloProcess.Start(url, "first", folder.FullName);
            await using var second = await SiloProcess.Start(url, "second", folder.FullName);
            await using var client = await ClusterClient.Connect(
                SharedCluster.AddressOf(url),
                TestContext.Current.CancellationToken
            );
            var before = (await client.WaitForSilos(2, TestContext.Current.CancellationToken)).Sum(silo =>
                silo.MemoryBytes
            );

            var (spec, data) = Wide();
            var began = Stopwatch.GetTimestamp();
            var firstStep = TimeSpan.MaxValue;
            var outcome = await TrainingClient.Train(
                client.Grains,
                Planner.Plan("many", spec, Granularity.Neuron, data),
                StepDeadline,
                progress =>
                {
                    if (progress.CommittedSteps > 0 && firstStep == TimeSpan.MaxValue)
                        firstStep = Stopwatch.GetElapsedTime(began);
                },
                cancellation: TestContext.Current.CancellationToken
            );
            var took = Stopwatch.GetElapsedTime(began);
            // Their parts stand there until the run is forgotten.
            var memory =
                ((await client.Silos(TestContext.Current.CancellationToken)).Sum(silo => silo.MemoryBytes) - before)
                / (double)Neurons;
            TestContext.Current.TestOutputHelper?.WriteLine(
                $"first step after {firstStep.TotalSeconds:0.0} s, {outcome.Last.Steps} steps in "
                    + $"{took.TotalSeconds:0.0} s, {memory / 1000:0.0} kB of process memory a grain"
            );

            // Asked first, for the reason that a run without a result has.
            Assert.True(outcome.Result is not null, $"the run failed: {outcome.Last.Failure?.Reason}");
            Assert.True(
                firstStep < FirstStep,
                $"the first of {outcome.Last.Steps} steps was seen after {firstStep.TotalSeconds:0.0} s"
            );
            Assert.Equal(Neurons, outcome.Plan.ActorCount - 2);
            Assert.All(outcome.Last.Placement!.Silos, silo => Assert.True(outcome.Last.Placement.Uses(silo)));
            // One loop without a grain or a message; what it is itself held to are PyTorch's numbers.
            Assert.Equal(ReferenceTrainer.Train(spec, data).WeightsSha256, outcome.Result.WeightsSha256);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static (RunSpec Spec, Core.Data.Dataset Data) Wide()
    {
        var file = ProcessRuns.Digits("data.test=0.9", "training.epochs=1");
        var spec = file.Spec with
        {
            Model = file.Spec.Model with
            {
                Layers = [file.Spec.Model.Layers[0] with { Units = Neurons - 10 }, file.Spec.Model.Layers[^1]],
            },
        };
        return (spec, Planner.Load(spec));
    }
}
