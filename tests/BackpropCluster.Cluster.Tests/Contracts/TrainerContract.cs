using BackpropCluster.Core;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Client;

namespace BackpropCluster.ClusterTests.Contracts;

/// <summary>What every trainer promises, whatever carries its messages.</summary>
public abstract class TrainerContract
{
    // From one loop in one process, on 2026-11-24. Pinned, so that the reference itself cannot drift unseen: another
    // processor, runtime or C library must give these very bits.
    private static readonly Dictionary<(UpdateOrder, int Batch, int Microbatches), string> Golden = new()
    {
        [(UpdateOrder.AfterBackward, 1, 1)] = "701712a0373ea76fd71a28cdf7e6f7bdf84931736fe8e0b16433cfd04cbd5c82",
        [(UpdateOrder.AfterBackward, 5, 1)] = "339dbd9946863a35dcfc6d4a781edaa44d3f6760b45e6ab3104240dba9721dfd",
        [(UpdateOrder.AfterBackward, 5, 3)] = "ac4775481e960c9c928afd7d43d09f330545f29d749bf4452ffc0dedb0bc2b32",
        [(UpdateOrder.DuringBackward, 1, 1)] = "5cf4cfced6d573563f2b2a4fdabe3d0162b3798e8535d5f71a5f64460c4caa86",
        [(UpdateOrder.DuringBackward, 5, 1)] = "c475dcf69967b9837072a68e8fe10b130b5e2a8c220b27517f39d54f58b3a2d5",
    };

    public static TheoryData<UpdateOrder, int, int, string> Cuts()
    {
        var cases = new TheoryData<UpdateOrder, int, int, string>();
        foreach (var (update, batch, microbatches) in Golden.Keys)
        foreach (var cut in new[] { "neuron", "3", "layer" })
            cases.Add(update, batch, microbatches, cut);
        return cases;
    }

    /// <summary>After how many updates the tutorial's trajectory is met for the last time; its marks end at
    /// 10,000.</summary>
    protected virtual int LastMark => 10_000;

    /// <summary>Trains to the end; the cut means nothing to a trainer without shards.</summary>
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
        Assert.NotEqual(
            (await Train(run, Granularity.Layer)).WeightsSha256,
            (await Train(run with { Seed = 8 }, Granularity.Layer)).WeightsSha256
        );
    }

    [Theory, InlineData(UpdateOrder.AfterBackward, "neuron"), InlineData(UpdateOrder.DuringBackward, "neuron")]
    [InlineData(UpdateOrder.AfterBackward, "layer"), InlineData(UpdateOrder.DuringBackward, "layer")]
    public async Task TheTutorialsTrajectoryIsMetAtItsMarks(UpdateOrder update, string cut)
    {
        Assert.True(Granularity.TryParse(cut, out var granularity));
        var marks = TutorialOracle.Trajectory(update);
        Assert.Equal(13, marks.Count);
        foreach (var mark in marks.Where(m => m.Updates > 0 && m.Updates <= LastMark))
        {
            var result = await Train(Runs.Mazur(mark.Updates, update), granularity);
            mark.AssertEquals(
                result.Evaluations[^1].Score.Loss,
                mark.Outputs,
                TutorialMark.WeightsOf(result.Parameters)
            );
        }

        Assert.Equal(
            marks[0].Error,
            (await Train(Runs.Mazur(1, update), granularity)).Steps[0].Loss,
            marks[0].Error * 1e-14
        );
    }
}

/// <summary>The same where messages are carried: scores are compared with the reference on the way.</summary>
public abstract class CarrierContract : TrainerContract
{
    /// <summary>Trains by messages to the end.</summary>
    protected abstract Task<TrainingResult> Carry(RunSpec spec, Granularity granularity);

    protected sealed override async Task<TrainingResult> Train(RunSpec spec, Granularity granularity)
    {
        var result = await Carry(spec, granularity);
        var reference = ReferenceTrainer.Train(spec, Tables.Open(spec));
        Assert.Equal(reference.Steps, result.Steps);
        Assert.Equal(reference.Evaluations, result.Evaluations);
        return result;
    }
}
