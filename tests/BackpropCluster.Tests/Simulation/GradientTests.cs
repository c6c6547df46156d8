using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Simulation;

/// <summary>Every gradient that the shards computed against differences of E, where E is computed by plain formulas
/// with the C library.</summary>
public class GradientTests
{
    private const double H = 1e-3;

    [Theory]
    [InlineData(Activation.Identity)]
    [InlineData(Activation.Logistic)]
    [InlineData(Activation.Tanh)]
    [InlineData(Activation.Relu)]
    public void EveryGradientIsTheSlopeOfE(Activation activation)
    {
        var spec = Spec(activation);
        var data = Dataset.Prepare(Rows(), spec.Data, spec.Seed, 2);
        var run = new TracedRun(spec, data, new Granularity(2), seed: 1);
        var layers = Enumerable
            .Range(1, 3)
            .Select(l => new LayerParameters(run.Forward(1, l, o => o.Weights), run.Forward(1, l, o => o.Biases)))
            .ToArray();
        AwayFromKinks(activation, run);

        for (var l = 0; l < layers.Length; l++)
        {
            var gradients = run.Backward(1, l + 1, o => o.WeightGradients);
            for (var k = 0; k < gradients.Length; k++)
                AssertSlope(
                    $"∂W[{k}] of layer {l + 1}",
                    gradients[k],
                    Slope(layers, layers[l].Weights, k, activation, data.Training)
                );

            // Biases begin at 0 and the learning rate is 1, so what the update left is the gradient itself.
            var biases = run.Updated(1, l + 1, o => o.Biases);
            for (var k = 0; k < biases.Length; k++)
                AssertSlope(
                    $"∂b[{k}] of layer {l + 1}",
                    -biases[k],
                    Slope(layers, layers[l].Biases, k, activation, data.Training)
                );
        }
    }

    private static RunSpec Spec(Activation activation) =>
        new()
        {
            Name = "gradients",
            Seed = 3,
            Data = new DataSpec { Source = DataSource.Iris },
            Model = new ModelSpec
            {
                Layers = [Runs.Layer(5, activation), Runs.Layer(3, activation), Runs.Layer(2, activation)],
                Loss = LossKind.HalfSquaredError,
            },
            Optimizer = new Sgd { LearningRate = 1 },
            Training = new TrainingSpec { Epochs = 1 },
        };

    private static Table Rows()
    {
        var random = new CounterRandom(8, RandomPurpose.Simulation, 25);
        return Table.OfTargets(
            4,
            [.. Enumerable.Range(0, 24).Select(i => random.Normal((ulong)i))],
            2,
            [.. Enumerable.Range(24, 12).Select(i => random.Unit((ulong)i))]
        );
    }

    // Relu has no slope at 0: no net may be so close that a step of H crosses it.
    private static void AwayFromKinks(Activation activation, TracedRun run)
    {
        if (activation != Activation.Relu)
            return;
        double[] nets = [.. Enumerable.Range(1, 3).SelectMany(l => run.Forward(1, l, o => o.Z))];
        Assert.True(
            nets.Min(Math.Abs) > 10 * H,
            $"a net of {nets.Min(Math.Abs)} is too close to relu's kink; take another seed"
        );
        Assert.Contains(nets, z => z < 0);
        Assert.Contains(nets, z => z > 0);
    }

    private static void AssertSlope(string what, double gradient, double slope) =>
        Assert.True(
            Math.Abs(gradient - slope) <= 1e-6 * Math.Abs(slope),
            $"{what} is {gradient:R}, but E's slope is {slope:R}"
        );

    // Central differences of the fourth order: E′ = (E(−2h) − 8E(−h) + 8E(h) − E(2h)) / 12h + O(h⁴).
    private static double Slope(
        LayerParameters[] layers,
        double[] parameters,
        int k,
        Activation activation,
        RowSet rows
    )
    {
        var here = parameters[k];
        double At(double offset)
        {
            parameters[k] = here + offset;
            var e = Error(layers, activation, rows);
            parameters[k] = here;
            return e;
        }

        return (At(-2 * H) - 8 * At(-H) + 8 * At(H) - At(2 * H)) / (12 * H);
    }

    private static double Error(LayerParameters[] layers, Activation activation, RowSet rows) =>
        Enumerable
            .Range(0, rows.Count)
            .Average(row =>
            {
                var y = layers.Aggregate(rows.Inputs([row]), (x, layer) => Forward(layer, x, activation));
                return y.Zip(
                        rows.Target(row).ToArray(),
                        (output, target) => 0.5 * (output - target) * (output - target)
                    )
                    .Sum();
            });

    private static double[] Forward(LayerParameters layer, double[] x, Activation activation) =>
        [
            .. layer.Biases.Select(
                (bias, o) =>
                    Phi(activation, bias + x.Select((value, i) => value * layer.Weights[o * x.Length + i]).Sum())
            ),
        ];

    private static double Phi(Activation activation, double z) =>
        activation switch
        {
            Activation.Identity => z,
            Activation.Logistic => 1 / (1 + Math.Exp(-z)),
            Activation.Tanh => Math.Tanh(z),
            _ => Math.Max(z, 0),
        };
}
