using System.Globalization;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Cli.Learn;

/// <summary>One message of a round, or one update, with what its sender computed for it.</summary>
/// <param name="Phase">forward, loss, backward or update.</param>
/// <param name="From">Who sent it: "h1", or "h1, h2" of a layer grain.</param>
/// <param name="To">Who got it; empty for an update, which nobody is told.</param>
/// <param name="Quantities">In the order in which they are computed.</param>
internal sealed record TutorialMessage(
    string Phase,
    string From,
    string To,
    IReadOnlyList<TutorialQuantity> Quantities
);

/// <summary>A named number with the formula that makes it.</summary>
/// <param name="Name">As the tutorial calls it.</param>
/// <param name="Formula">In symbols.</param>
/// <param name="Numbers">The same with numbers; empty where it would repeat the formula.</param>
/// <param name="Value">What the grains computed.</param>
internal sealed record TutorialQuantity(string Name, string Formula, string Numbers, double Value);

/// <summary>A round of the tutorial, told from what the grains observed: nothing is computed here that a grain did
/// not.</summary>
internal sealed class TutorialRound
{
    private static readonly string[] Inputs = ["i1", "i2"];
    private readonly List<TutorialMessage> messages = [];
    private readonly Dictionary<ShardRange, ShardForward> forwards = [];

    private TutorialRound(int round) => Round = round;

    public int Round { get; }

    public IReadOnlyList<TutorialMessage> Messages => messages;

    public IEnumerable<TutorialQuantity> Quantities => messages.SelectMany(m => m.Quantities);

    /// <summary>Tells a round from the observations of its step.</summary>
    public static TutorialRound From(int round, IEnumerable<Observation> observations, double[] rowInputs)
    {
        var told = new TutorialRound(round);
        var all = observations.ToList();
        told.messages.Add(
            new(
                "forward",
                "Source",
                "h1, h2",
                [.. Inputs.Select((name, i) => new TutorialQuantity(name, "the row's input", "", rowInputs[i]))]
            )
        );
        foreach (var forward in all.OfType<ShardForward>().OrderBy(o => (o.Shard.Layer, o.Shard.First)))
            told.Tell(forward);
        told.Tell(all.OfType<LossComputed>().Single());
        foreach (var backward in all.OfType<ShardBackward>().OrderBy(o => (-o.Shard.Layer, o.Shard.First)))
            told.Tell(backward);
        foreach (var update in all.OfType<ShardUpdated>().OrderBy(o => (-o.Shard.Layer, o.Shard.First)))
            told.Tell(update, all.OfType<ShardBackward>().Single(o => o.Shard == update.Shard));
        return told;
    }

    // net = Σ w·x + b      out = 1/(1 + e^-net)
    private void Tell(ShardForward o)
    {
        var quantities = new List<TutorialQuantity>();
        var layer = o.Shard.Layer;
        forwards.Add(o.Shard, o);
        for (var k = 0; k < o.Shard.Units; k++)
        {
            var (unit, u) = (Unit(layer, o.Shard.First + k), o.Shard.First + k);
            quantities.Add(
                new(
                    $"net_{unit}",
                    string.Join(" + ", Enumerable.Range(0, 2).Select(i => $"{Weight(layer, u, i)}·{Input(layer, i)}"))
                        + $" + b{layer}",
                    string.Join(
                        " + ",
                        Enumerable.Range(0, 2).Select(i => $"{Number(o.Weights[k * 2 + i])}·{Number(o.X[i])}")
                    ) + $" + {Number(o.Biases[k])}",
                    o.Z[k]
                )
            );
            quantities.Add(new($"out_{unit}", $"1/(1 + e^-net_{unit})", $"1/(1 + e^-{Number(o.Z[k])})", o.Y[k]));
        }

        messages.Add(new("forward", Units(o.Shard), layer == 1 ? "o1, o2" : "Loss", quantities));
    }

    // E = Σ ½(target − out)²      ∂E/∂out = out − target
    private void Tell(LossComputed o)
    {
        var errors = Enumerable
            .Range(0, 2)
            .Select(u => 0.5 * (o.Targets[u] - o.Y[u]) * (o.Targets[u] - o.Y[u]))
            .ToArray();
        var report = Enumerable
            .Range(0, 2)
            .Select(u => new TutorialQuantity(
                $"E_{Unit(2, u)}",
                $"½(target_{Unit(2, u)} - out_{Unit(2, u)})²",
                $"½({Number(o.Targets[u])} - {Number(o.Y[u])})²",
                errors[u]
            ))
            .Append(
                new TutorialQuantity(
                    "E",
                    "E_o1 + E_o2",
                    $"{Number(errors[0])} + {Number(errors[1])}",
                    errors[0] + errors[1]
                )
            );
        messages.Add(new("loss", "Loss", "Coordinator", [.. report]));
        messages.Add(
            new(
                "loss",
                "Loss",
                "o1, o2",
                [
                    .. Enumerable
                        .Range(0, 2)
                        .Select(u => new TutorialQuantity(
                            $"dE_dout_{Unit(2, u)}",
                            $"out_{Unit(2, u)} - target_{Unit(2, u)}",
                            $"{Number(o.Y[u])} - {Number(o.Targets[u])}",
                            o.Gradient[u]
                        )),
                ]
            )
        );
    }

    // S = Σ δ·w      δ = S·out(1 − out)      ∂E/∂w = δ·x
    private void Tell(ShardBackward o)
    {
        var quantities = new List<TutorialQuantity>();
        var forward = forwards[o.Shard];
        for (var k = 0; k < o.Shard.Units; k++)
        {
            var (unit, layer, u) = (Unit(o.Shard.Layer, o.Shard.First + k), o.Shard.Layer, o.Shard.First + k);
            if (layer == 1)
                TellOutputGradients(o, k, unit, quantities);
            var (z, y) = (forward.Z[k], forward.Y[k]);
            quantities.Add(
                new(
                    $"dout_dnet_{unit}",
                    $"out_{unit}·(1 - out_{unit})",
                    $"{Number(y)}·(1 - {Number(y)})",
                    Activation.Logistic.Derivative(z, y)
                )
            );
            quantities.Add(
                new(
                    $"delta_{unit}",
                    $"dE_dout_{unit}·dout_dnet_{unit}",
                    $"{Number(o.Slopes[k])}·{Number(Activation.Logistic.Derivative(z, y))}",
                    o.Delta[k]
                )
            );
            for (var i = 0; i < 2; i++)
                quantities.Add(
                    new(
                        $"dE_d{Weight(layer, u, i)}",
                        $"delta_{unit}·{Input(layer, i)}",
                        $"{Number(o.Delta[k])}·{Number(forward.X[i])}",
                        o.WeightGradients[k * 2 + i]
                    )
                );
        }

        messages.Add(
            new("backward", Units(o.Shard), o.Shard.Layer == 2 ? "h1, h2, Coordinator" : "Coordinator", quantities)
        );
    }

    private static void TellOutputGradients(ShardBackward o, int k, string unit, List<TutorialQuantity> quantities)
    {
        var h = o.Shard.First + k;
        for (var output = 0; output < 2; output++)
        {
            var w = o.Outgoing[output * o.Shard.Units + k];
            quantities.Add(
                new(
                    $"dE_{Unit(2, output)}_dout_{unit}",
                    $"delta_{Unit(2, output)}·{Weight(2, output, h)}",
                    $"{Number(o.Above[output])}·{Number(w)}",
                    o.Above[output] * w
                )
            );
        }

        quantities.Add(new($"dE_dout_{unit}", $"dE_o1_dout_{unit} + dE_o2_dout_{unit}", "", o.Slopes[k]));
    }

    // w ← w − η·∂E/∂w
    private void Tell(ShardUpdated o, ShardBackward backward)
    {
        var quantities = new List<TutorialQuantity>();
        for (var k = 0; k < o.Shard.Units; k++)
        for (var i = 0; i < 2; i++)
        {
            var w = Weight(o.Shard.Layer, o.Shard.First + k, i);
            quantities.Add(
                new(
                    $"{w}_new",
                    $"{w} - 0.5·dE_d{w}",
                    $"{Number(forwards[o.Shard].Weights[k * 2 + i])} - "
                        + $"0.5·{Number(backward.WeightGradients[k * 2 + i])}",
                    o.Weights[k * 2 + i]
                )
            );
        }

        messages.Add(new("update", Units(o.Shard), "", quantities));
    }

    private static string Unit(int layer, int unit) => $"{(layer == 1 ? 'h' : 'o')}{unit + 1}";

    private static string Units(ShardRange shard) =>
        string.Join(", ", Enumerable.Range(shard.First, shard.Units).Select(u => Unit(shard.Layer, u)));

    private static string Weight(int layer, int unit, int input) => $"w{(layer - 1) * 4 + unit * 2 + input + 1}";

    private static string Input(int layer, int input) => layer == 1 ? Inputs[input] : $"out_h{input + 1}";

    private static string Number(double value) => value.ToString("0.#########", CultureInfo.InvariantCulture);
}
