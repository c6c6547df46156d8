using BackpropCluster.Cli.Learn;
using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.ClusterTests;

/// <summary>Every figure that the tutorial prints, told by real grains under the rule that makes it.</summary>
public abstract class TutorialOnGrains(Silos silos)
{
    private static readonly TimeSpan StepDeadline = TimeSpan.FromSeconds(20);

    [Theory, InlineData("neuron"), InlineData("layer")]
    public async Task EveryPrintedFigureOfTheFirstRoundIsReproduced(string cut)
    {
        foreach (var update in Enum.GetValues<UpdateOrder>())
        {
            var run = await Learn(1, update, cut);
            var quantities = run.Rounds[0].Quantities.ToDictionary(q => q.Name, q => q.Value);
            foreach (var figure in TutorialFigures.FirstRound.Where(f => f.Rule is null || f.Rule == update))
                Assert.True(
                    figure.Matches(quantities[figure.Name]) != figure.IsSlip,
                    $"{figure.Name} is {quantities[figure.Name]:R}, printed "
                        + $"{figure.Printed}{(figure.IsSlip ? " by a slip of the last digit" : "")}"
                );
        }
    }

    /// <summary>The figures that only one rule makes must not come out of the other: else the rules would be the same
    /// one.</summary>
    [Theory, InlineData("neuron"), InlineData("layer")]
    public async Task TheOtherRuleMakesOtherFigures(string cut)
    {
        var during = (await Learn(1, UpdateOrder.DuringBackward, cut))
            .Rounds[0]
            .Quantities.ToDictionary(q => q.Name, q => q.Value);
        foreach (var figure in TutorialFigures.FirstRound.Where(f => f.Rule == UpdateOrder.AfterBackward && !f.IsSlip))
            Assert.False(
                figure.Matches(during[figure.Name]),
                $"{figure.Name} is {during[figure.Name]:R} under during-backward too"
            );
    }

    [Theory, InlineData("neuron"), InlineData("layer")]
    public async Task TheFiguresAfterTenThousandRoundsAreReproduced(string cut)
    {
        var after = await Learn(10_000, UpdateOrder.AfterBackward, cut);
        var during = await Learn(10_000, UpdateOrder.DuringBackward, cut);
        Assert.True(
            TutorialFigures.LossIn10000thPass.Matches(after.LossBefore),
            $"E in the 10,000th pass is {after.LossBefore:R}"
        );
        Assert.True(
            TutorialFigures.LossAfterOneUpdate.Matches(during.Result.Steps[1].Loss),
            $"E after one update is {during.Result.Steps[1].Loss:R}"
        );
        for (var o = 0; o < 2; o++)
            Assert.True(
                TutorialFigures.OutputsAfter10000[o].Matches(during.OutputsAfter[o]),
                $"o{o + 1} after 10,000 rounds is {during.OutputsAfter[o]:R}"
            );
        foreach (var run in new[] { after, during })
            TutorialOracle
                .Trajectory(run.Update)
                .Single(m => m.Updates == 10_000)
                .AssertEquals(run.LossAfter, run.OutputsAfter, run.Weights);
    }

    private Task<LearnedRun> Learn(int rounds, UpdateOrder update, string cut)
    {
        Assert.True(Granularity.TryParse(cut, out var granularity));
        return LearnedRun.Train(
            silos.Grains,
            silos.Recorder,
            rounds,
            update,
            granularity,
            StepDeadline,
            TestContext.Current.CancellationToken
        );
    }
}

public sealed class TutorialOnOneSiloTests(OneSilo silos) : TutorialOnGrains(silos), IClassFixture<OneSilo>;

public sealed class TutorialOnTwoSilosTests(TwoSilos silos) : TutorialOnGrains(silos), IClassFixture<TwoSilos>;
