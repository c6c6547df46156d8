using System.Globalization;
using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Simulation;

/// <summary>Every figure that M. Mazur, "A Step by Step Backpropagation Example" (2015), prints, digit by digit, as the
/// parts observed it.</summary>
/// <remarks>The printed figures do not all come from one rule: the text updates after the backward pass, but the
/// program behind its last three figures updated w5 … w8 first. Each is asserted under the rule that makes
/// it.</remarks>
public class TutorialFiguresTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void TheFiguresOfTheTextFollowItsRule(int unitsPerShard)
    {
        var run = new TracedRun(Runs.Mazur(2, UpdateOrder.AfterBackward), new Granularity(unitsPerShard));
        Assert.All(
            FirstForwardPass(run).Concat(FirstBackwardPass(run)).Concat(FirstUpdate(run)),
            figure =>
                Assert.True(
                    figure.Printed == Print(figure.Value, figure.Printed),
                    $"{figure.Name} is printed {figure.Printed} but is {figure.Value:R}"
                )
        );
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void OnePrintedFigureIsARoundingSlip(int unitsPerShard)
    {
        const string printed = "-0.019049119";
        var run = new TracedRun(Runs.Mazur(2, UpdateOrder.AfterBackward), new Granularity(unitsPerShard));
        var slope = run.Backward(1, 2, o => o.Delta)[1] * run.Forward(1, 2, o => o.Weights)[2];
        Assert.Equal("-0.019049118", Print(slope, printed));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void TheErrorAfterOneUpdateIsTheOtherRules(int unitsPerShard)
    {
        const string printed = "0.291027924";
        string ErrorOfStep2(UpdateOrder update) =>
            Print(new TracedRun(Runs.Mazur(2, update), new Granularity(unitsPerShard)).Result.Steps[1].Loss, printed);
        Assert.Equal(printed, ErrorOfStep2(UpdateOrder.DuringBackward));
        Assert.Equal("0.291027774", ErrorOfStep2(UpdateOrder.AfterBackward));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void TheErrorOfRound10000IsTheTextsRuleInItsLastForwardPass(int unitsPerShard)
    {
        const string printed = "0.0000351085";
        var run = new TracedRun(Runs.Mazur(10_000, UpdateOrder.AfterBackward), new Granularity(unitsPerShard));
        Assert.Equal(printed, Print(run.Result.Steps[^1].Loss, printed));
        Assert.Equal("0.0000351019", Print(run.Result.Evaluations.Single().Score.Loss, printed));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void TheOutputsAfter10000RoundsAreTheOtherRules(int unitsPerShard)
    {
        string[] printed = ["0.015912196", "0.984065734"];
        string[] Outputs(UpdateOrder update) =>
            [
                .. new TracedRun(Runs.Mazur(10_000, update), new Granularity(unitsPerShard))
                    .Forward(10_000, 2, o => o.Y, Phase.Evaluate)
                    .Select(y => Print(y, printed[0])),
            ];
        Assert.Equal(printed, Outputs(UpdateOrder.DuringBackward));
        Assert.Equal(["0.015913620", "0.984064274"], Outputs(UpdateOrder.AfterBackward));
    }

    private static IEnumerable<(string Name, string Printed, double Value)> FirstForwardPass(TracedRun run)
    {
        var (h, netsO, o) = (run.Forward(1, 1, s => s.Y), run.Forward(1, 2, s => s.Z), run.Forward(1, 2, s => s.Y));
        var targets = run.Loss(1).Targets;
        yield return ("net h1", "0.3775", run.Forward(1, 1, s => s.Z)[0]);
        yield return ("out h1", "0.593269992", h[0]);
        yield return ("out h2", "0.596884378", h[1]);
        yield return ("net o1", "1.105905967", netsO[0]);
        yield return ("out o1", "0.75136507", o[0]);
        yield return ("out o2", "0.772928465", o[1]);
        yield return ("E o1", "0.274811083", HalfSquare(targets[0] - o[0]));
        yield return ("E o2", "0.023560026", HalfSquare(targets[1] - o[1]));
        yield return ("E", "0.298371109", run.Result.Steps[0].Loss);
    }

    private static IEnumerable<(string Name, string Printed, double Value)> FirstBackwardPass(TracedRun run)
    {
        var (slopes, delta) = (run.Backward(1, 2, s => s.Slopes), run.Backward(1, 2, s => s.Delta));
        yield return ("∂E/∂out o1", "0.74136507", slopes[0]);
        yield return ("∂E/∂out o1, as the Loss sent it", "0.74136507", run.Loss(1).Gradient[0]);
        yield return ("∂out o1/∂net o1", "0.186815602", delta[0] / slopes[0]);
        yield return ("δ o1", "0.138498562", delta[0]);
        yield return ("∂E/∂w5", "0.082167041", run.Backward(1, 2, s => s.WeightGradients)[0]);
        yield return ("∂E o1/∂out h1", "0.055399425", delta[0] * run.Forward(1, 2, s => s.Weights)[0]);
        yield return ("∂E/∂out h1", "0.036350306", run.Backward(1, 1, s => s.Slopes)[0]);
        yield return (
            "∂out h1/∂net h1",
            "0.241300709",
            run.Backward(1, 1, s => s.Delta)[0] / run.Backward(1, 1, s => s.Slopes)[0]
        );
        yield return ("∂E/∂w1", "0.000438568", run.Backward(1, 1, s => s.WeightGradients)[0]);
    }

    private static IEnumerable<(string Name, string Printed, double Value)> FirstUpdate(TracedRun run)
    {
        double[] w = [.. run.Updated(1, 1, s => s.Weights), .. run.Updated(1, 2, s => s.Weights)];
        string[] printed =
        [
            "0.149780716",
            "0.19956143",
            "0.24975114",
            "0.29950229",
            "0.35891648",
            "0.408666186",
            "0.511301270",
            "0.561370121",
        ];
        foreach (var (i, digits) in printed.Index())
            yield return ($"w{i + 1} after the update", digits, w[i]);
        foreach (var (layer, bias) in new[] { (1, "0.35"), (2, "0.60") })
            yield return ($"b{layer}, which is never updated", bias, run.Updated(1, layer, s => s.Biases)[0]);
    }

    private static double HalfSquare(double error) => 0.5 * error * error;

    private static string Print(double value, string like) =>
        value.ToString(
            $"F{like.Length - like.IndexOf('.', StringComparison.Ordinal) - 1}",
            CultureInfo.InvariantCulture
        );
}
