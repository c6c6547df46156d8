using BackpropCluster.Core;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains;

namespace BackpropCluster.Tests;

/// <summary>What every trainer promises, whatever carries its messages.</summary>
public abstract class TrainerContract
{
    // From one loop in one process, on 2026-11-24. Pinned, so that the reference itself cannot drift unseen: another processor,
    // runtime or C library must give these very bits.
    private static readonly Dictionary<(UpdateOrder, int Batch, int Microbatches), string> Golden = new()
    {
        [(UpdateOrder.AfterBackward, 1, 1)] = "03a1024698abd4c2ad02a4cababa888a7c559351b06f6c668f68b0175b1f11dc",
        [(UpdateOrder.AfterBackward, 5, 1)] = "52eb18de884e9ac785e9ed30e9e98368b5681dd32c687b15c7bedaaf8fb7206e",
        [(UpdateOrder.AfterBackward, 5, 3)] = "68e445749cdadf984cebf6cb4510955856b92cfe079928067f8477f3bed5df16",
        [(UpdateOrder.DuringBackward, 1, 1)] = "6ed323cc841a7f10d6d843d556b16f03064f33797eb1b850a83bbbd56ec4177f",
        [(UpdateOrder.DuringBackward, 5, 1)] = "ca5250481f3d1b540dfebdc252266edda6cbb2deeafd4bacbef4460b6b48daa2",
    };

    public static TheoryData<UpdateOrder, int, int, string> Cuts()
    {
        var cases = new TheoryData<UpdateOrder, int, int, string>();
        foreach (var (update, batch, microbatches) in Golden.Keys)
            foreach (var cut in new[] { "neuron", "3", "layer" })
                cases.Add(update, batch, microbatches, cut);
        return cases;
    }

    /// <summary>Trains to the end; the cut means nothing to a trainer without slices.</summary>
    protected abstract Task<TrainingResult> Train(RunSpec spec, Granularity granularity);

    [Theory, MemberData(nameof(Cuts))]
    public async Task EveryCutEndsInTheGoldenBits(UpdateOrder update, int batch, int microbatches, string cut)
    {
        Assert.True(Granularity.TryParse(cut, out var granularity));
        var result = await Train(Runs.Uneven(batch, update, microbatches, epochs: 4), granularity);
        Assert.Equal(Golden[(update, batch, microbatches)], result.WeightsSha256);
    }

    [Fact]
    public async Task AnotherSeedEndsInOtherBits()
    {
        var run = Runs.Uneven(5, epochs: 4);
        Assert.NotEqual((await Train(run, Granularity.Layer)).WeightsSha256, (await Train(run with { Seed = 8 }, Granularity.Layer)).WeightsSha256);
    }

    [Theory, InlineData(UpdateOrder.AfterBackward, "neuron"), InlineData(UpdateOrder.DuringBackward, "neuron")]
    [InlineData(UpdateOrder.AfterBackward, "layer"), InlineData(UpdateOrder.DuringBackward, "layer")]
    public async Task TheTutorialsTrajectoryIsMetAtAllThirteenMarks(UpdateOrder update, string cut)
    {
        Assert.True(Granularity.TryParse(cut, out var granularity));
        var marks = TutorialOracle.Trajectory(update);
        Assert.Equal(13, marks.Count);
        foreach (var mark in marks.Where(m => m.Updates > 0))
        {
            var result = await Train(Runs.Mazur(mark.Updates, update), granularity);
            mark.AssertEquals(result.Evaluations[^1].Score.Loss, mark.Outputs, TutorialMark.WeightsOf(result.Parameters));
        }

        Assert.Equal(marks[0].Error, (await Train(Runs.Mazur(1, update), granularity)).Steps[0].Loss, marks[0].Error * 1e-14);
    }
}

public sealed class ReferenceTrainerTests : TrainerContract
{
    protected override Task<TrainingResult> Train(RunSpec spec, Granularity granularity) => Task.FromResult(ReferenceTrainer.Train(spec, Tables.Open(spec)));
}

/// <summary>The same over grains: scores are compared with the reference on the way.</summary>
public abstract class GrainTrainerContract(Silos silos) : TrainerContract
{
    protected override async Task<TrainingResult> Train(RunSpec spec, Granularity granularity)
    {
        var plan = Tables.Plan(spec, granularity, "contract");
        var outcome = await TrainingClient.Train(silos.Grains, plan, TimeSpan.FromSeconds(20), cancellation: TestContext.Current.CancellationToken);
        Assert.True(outcome.Result is not null, $"the run failed: {outcome.Last.Failure?.Reason}");
        Assert.Equal(0, outcome.Last.Recoveries);
        var reference = ReferenceTrainer.Train(spec, Tables.Open(spec));
        Assert.Equal(reference.Steps, outcome.Result.Steps);
        Assert.Equal(reference.Evaluations, outcome.Result.Evaluations);
        return outcome.Result;
    }
}

public sealed class OneSiloTrainerTests(OneSilo silos) : GrainTrainerContract(silos), IClassFixture<OneSilo>;

public sealed class ThreeSiloTrainerTests(ThreeSilos silos) : GrainTrainerContract(silos), IClassFixture<ThreeSilos>;
