using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Tests;

/// <summary>A training that PyTorch 1.13 carried out in float64 (optimizers.json, embedded; its note says how numbers
/// were made).</summary>
public sealed class OptimizerOracle
{
    private readonly JsonElement json;

    private OptimizerOracle(JsonElement json) => this.json = json;

    public string Name => json.GetProperty("name").GetString()!;

    /// <summary>Steps whose parameters are recorded as they were before the step.</summary>
    public IEnumerable<int> Marks => json.GetProperty("marks").EnumerateArray().Select(mark => mark.GetInt32());

    private int Rows => json.GetProperty("rows").GetInt32();

    private int[] Sizes => [.. json.GetProperty("sizes").EnumerateArray().Select(size => size.GetInt32())];

    private bool HasClasses => json.GetProperty("loss").GetString() == "cross_entropy";

    public static IReadOnlyList<OptimizerOracle> Cases() =>
        [.. Read("optimizers.json"), .. Read("optimizers-more.json")];

    /// <summary>The run to its last mark; every step is traced.</summary>
    public RunSpec Spec()
    {
        var (batch, steps) = (json.GetProperty("batch").GetInt32(), json.GetProperty("steps").GetInt32());
        Activation[] activations =
        [
            .. json.GetProperty("activations")
                .EnumerateArray()
                .Select(a => Enum.Parse<Activation>(a.GetString()!, ignoreCase: true)),
        ];
        var layers = ImmutableArray.CreateBuilder<LayerSpec>();
        var k = 0;
        for (var l = 0; l < activations.Length; l++)
        {
            // Initial value number k over all parameters: 0.5·sin(1.7k + 0.3).
            ImmutableArray<double> Next(int count) =>
                [.. Enumerable.Range(0, count).Select(_ => 0.5 * Math.Sin(1.7 * k++ + 0.3))];
            layers.Add(
                new LayerSpec
                {
                    Units = Sizes[l + 1],
                    Activation = activations[l],
                    Given = new GivenParameters(Next(Sizes[l] * Sizes[l + 1]), Next(Sizes[l + 1])),
                }
            );
        }

        return new RunSpec
        {
            Name = Name.Replace(' ', '-'),
            Seed = 1,
            Data = new DataSpec
            {
                Source = DataSource.Iris,
                Batch = batch,
                Shuffle = false,
            },
            Model = new ModelSpec
            {
                Layers = layers.ToImmutable(),
                Loss = Enum.Parse<LossKind>(
                    json.GetProperty("loss").GetString()!.Replace("_", "", StringComparison.Ordinal),
                    ignoreCase: true
                ),
            },
            Optimizer = Optimizer(),
            Training = new TrainingSpec { Epochs = steps * batch / Rows },
        };
    }

    /// <summary>x[r][c] = cos(0.9·(r·inputs + c) + 0.25); class (3r + 1) mod outputs; real target 0.5 + 0.4·sin(r + 2c
    /// + 0.25).</summary>
    public Table Table()
    {
        var (inputs, outputs) = (Sizes[0], Sizes[^1]);
        double[] x = [.. Enumerable.Range(0, Rows * inputs).Select(k => Math.Cos(0.9 * k + 0.25))];
        return HasClasses
            ? Core.Data.Table.OfClasses(
                inputs,
                x,
                [.. Enumerable.Range(0, Rows).Select(r => (3 * r + 1) % outputs)],
                outputs
            )
            : Core.Data.Table.OfTargets(
                inputs,
                x,
                outputs,
                [
                    .. Enumerable
                        .Range(0, Rows * outputs)
                        .Select(k => 0.5 + 0.4 * Math.Sin(k / outputs + 2 * (k % outputs) + 0.25)),
                ]
            );
    }

    /// <summary>All parameters, in order W1, b1, W2, …, before the step of this mark.</summary>
    public double[] Parameters(int mark) =>
        [
            .. json.GetProperty("trajectory")
                .GetProperty(mark.ToString(CultureInfo.InvariantCulture))
                .GetProperty("parameters")
                .EnumerateArray()
                .SelectMany(a => a.EnumerateArray().Select(v => v.GetDouble())),
        ];

    /// <summary>The loss of the step of this mark, before its update.</summary>
    public double Loss(int mark) =>
        json.GetProperty("trajectory")
            .GetProperty(mark.ToString(CultureInfo.InvariantCulture))
            .GetProperty("loss")
            .GetDouble();

    private static IEnumerable<OptimizerOracle> Read(string name)
    {
        using var stream =
            typeof(OptimizerOracle).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"{name} is not embedded in the test assembly");
        return
        [
            .. JsonDocument
                .Parse(stream)
                .RootElement.GetProperty("cases")
                .EnumerateArray()
                .Select(c => new OptimizerOracle(c)),
        ];
    }

    private OptimizerSpec Optimizer()
    {
        var hyper = json.GetProperty("hyper");
        double Get(string name, double standard) =>
            hyper.TryGetProperty(name, out var value) ? value.GetDouble() : standard;
        var kind = Enum.Parse<OptimizerKind>(json.GetProperty("optimizer").GetString()!, ignoreCase: true);
        (double, double) Betas() =>
            hyper.TryGetProperty("betas", out var betas) ? (betas[0].GetDouble(), betas[1].GetDouble()) : (0.9, 0.999);
        bool Is(string name) => hyper.TryGetProperty(name, out var value) && value.GetBoolean();
        var standard = OptimizerSpec.Defaults(kind, Get("lr", double.NaN));
        standard = standard with { WeightDecay = Get("weight_decay", standard.WeightDecay) };
        return standard switch
        {
            Sgd sgd => sgd with
            {
                Momentum = Get("momentum", 0),
                Dampening = Get("dampening", 0),
                Nesterov = Is("nesterov"),
            },
            Adagrad adagrad => adagrad with
            {
                Eps = Get("eps", adagrad.Eps),
                LrDecay = Get("lr_decay", 0),
                InitialAccumulator = Get("initial_accumulator_value", 0),
            },
            RmsProp rmsprop => rmsprop with
            {
                Eps = Get("eps", rmsprop.Eps),
                Alpha = Get("alpha", rmsprop.Alpha),
                Momentum = Get("momentum", 0),
                Centered = Is("centered"),
            },
            Adam adam => adam with { Eps = Get("eps", adam.Eps), Beta1 = Betas().Item1, Beta2 = Betas().Item2 },
            _ => throw new InvalidOperationException($"no oracle knows {kind}"),
        };
    }
}
