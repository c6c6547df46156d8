using System.Globalization;
using System.Text.Json;
using BackpropCluster.Core;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Tests;

/// <summary>The tutorial's model after some updates.</summary>
/// <param name="Updates">How many updates came before.</param>
/// <param name="Error">E = Σ ½(target − output)² of the forward pass with these weights.</param>
/// <param name="Outputs">o1, o2.</param>
/// <param name="Weights">w1 … w8.</param>
public sealed record TutorialMark(
    int Updates,
    double Error,
    IReadOnlyList<double> Outputs,
    IReadOnlyList<double> Weights
)
{
    /// <summary>Two programs that round in different places drift apart by about this much in 10,000 rounds, and by no
    /// more.</summary>
    private const double Tolerance = 1e-14;

    /// <summary>Fails unless every number equals this mark's to 1e-14 of its size.</summary>
    public void AssertEquals(double error, IReadOnlyList<double> outputs, IReadOnlyList<double> weights)
    {
        AssertEquals("E", [Error], [error]);
        AssertEquals("outputs", Outputs, outputs);
        AssertEquals("weights", Weights, weights);
    }

    /// <summary>w1 … w8 in the order in which the tutorial numbers them.</summary>
    public static IReadOnlyList<double> WeightsOf(IReadOnlyList<LayerParameters> layers) =>
        [.. layers[0].Weights, .. layers[1].Weights];

    private void AssertEquals(string what, IReadOnlyList<double> expected, IReadOnlyList<double> actual)
    {
        Assert.Equal(expected.Count, actual.Count);
        for (var i = 0; i < expected.Count; i++)
            Assert.True(
                Math.Abs(actual[i] - expected[i]) <= Tolerance * Math.Abs(expected[i]),
                $"{what}[{i}] after {Updates} updates is {actual[i]:R} instead of {expected[i]:R}"
            );
    }
}

/// <summary>Both trajectories of the tutorial's 2-2-2 model, computed apart from this project (tutorial.json,
/// embedded).</summary>
public static class TutorialOracle
{
    /// <summary>The marks after 0, 1, 2, 3, 4, 9, 10, 99, 100, 999, 1,000, 9,999 and 10,000 updates.</summary>
    public static IReadOnlyList<TutorialMark> Trajectory(UpdateOrder update)
    {
        using var stream =
            typeof(TutorialOracle).Assembly.GetManifestResourceStream("tutorial.json")
            ?? throw new InvalidOperationException("tutorial.json is not embedded in the test assembly");
        using var json = JsonDocument.Parse(stream);
        var marks = json.RootElement.GetProperty(
            update == UpdateOrder.AfterBackward ? "after-backward" : "during-backward"
        );
        return
        [
            .. marks
                .EnumerateObject()
                .Select(mark => new TutorialMark(
                    int.Parse(mark.Name, CultureInfo.InvariantCulture),
                    mark.Value.GetProperty("E").GetDouble(),
                    Numbers(mark.Value.GetProperty("o")),
                    Numbers(mark.Value.GetProperty("w"))
                )),
        ];
    }

    private static double[] Numbers(JsonElement array) =>
        [.. array.EnumerateArray().Select(number => number.GetDouble())];
}
