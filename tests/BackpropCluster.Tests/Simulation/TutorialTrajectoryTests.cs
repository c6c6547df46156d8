using BackpropCluster.Core;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Simulation;

/// <summary>10,000 rounds of the tutorial against a trajectory that was computed apart from this project, at 13
/// marks.</summary>
public class TutorialTrajectoryTests
{
    private const int Rounds = 10_000;

    [Theory]
    [InlineData(UpdateOrder.AfterBackward)]
    [InlineData(UpdateOrder.DuringBackward)]
    public void TheReferencePassesEveryMark(UpdateOrder update)
    {
        var spec = Runs.Mazur(Rounds, update);
        var weights = new Dictionary<int, IReadOnlyList<double>>();
        var result = ReferenceTrainer.Train(
            spec,
            Runs.BuiltIn(spec),
            (step, parameters) => weights[step - 1] = TutorialMark.WeightsOf(parameters)
        );
        double[] errors = [.. result.Steps.Select(s => s.Loss), result.Evaluations.Single().Score.Loss];

        var marks = TutorialOracle.Trajectory(update);
        Assert.Equal(13, marks.Count);
        foreach (var mark in marks)
            mark.AssertEquals(errors[mark.Updates], Outputs(weights[mark.Updates]), weights[mark.Updates]);
    }

    [Theory]
    [InlineData(UpdateOrder.AfterBackward, 1)]
    [InlineData(UpdateOrder.AfterBackward, 2)]
    [InlineData(UpdateOrder.DuringBackward, 1)]
    [InlineData(UpdateOrder.DuringBackward, 2)]
    public void TheMessagesPassEveryMarkWhetherAShardIsANeuronOrALayer(UpdateOrder update, int unitsPerShard)
    {
        var run = new TracedRun(Runs.Mazur(Rounds, update), new Granularity(unitsPerShard));
        double[] errors = [.. run.Result.Steps.Select(s => s.Loss), run.Result.Evaluations.Single().Score.Loss];
        foreach (var mark in TutorialOracle.Trajectory(update))
        {
            // The last mark has no training step of its own: the evaluation after it reads the same weights.
            var (step, phase) = mark.Updates < Rounds ? (mark.Updates + 1, Phase.Forward) : (Rounds, Phase.Evaluate);
            mark.AssertEquals(
                errors[mark.Updates],
                run.Forward(step, 2, o => o.Y, phase),
                [.. run.Forward(step, 1, o => o.Weights, phase), .. run.Forward(step, 2, o => o.Weights, phase)]
            );
        }
    }

    [Fact]
    public void TheTwoUpdateOrdersPartAfterTheFirstUpdate()
    {
        var (after, during) = (
            TutorialOracle.Trajectory(UpdateOrder.AfterBackward),
            TutorialOracle.Trajectory(UpdateOrder.DuringBackward)
        );
        Assert.Equal(after[0].Weights, during[0].Weights);
        Assert.NotEqual(after[1].Weights, during[1].Weights);
    }

    // The model as the tutorial writes it, with the C library's exp: the reference keeps no outputs of its own.
    private static double[] Outputs(IReadOnlyList<double> w)
    {
        var h1 = Logistic(w[0] * 0.05 + w[1] * 0.10 + 0.35);
        var h2 = Logistic(w[2] * 0.05 + w[3] * 0.10 + 0.35);
        return [Logistic(w[4] * h1 + w[5] * h2 + 0.60), Logistic(w[6] * h1 + w[7] * h2 + 0.60)];
    }

    private static double Logistic(double z) => 1 / (1 + Math.Exp(-z));
}
