using System.Globalization;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>The optimizer's keys: PyTorch's names and defaults, and only those that the kind uses.</summary>
internal static class OptimizerKeys
{
    private static readonly Dictionary<OptimizerKind, string[]> Known = new()
    {
        [OptimizerKind.Sgd] = ["momentum", "dampening", "nesterov", "weight_decay"],
        [OptimizerKind.Adam] = ["betas", "eps", "weight_decay"],
        [OptimizerKind.AdamW] = ["betas", "eps", "weight_decay"],
        [OptimizerKind.Adagrad] = ["lr_decay", "eps", "weight_decay", "initial_accumulator_value"],
        [OptimizerKind.RmsProp] = ["alpha", "eps", "weight_decay", "momentum", "centered"],
    };

    public static OptimizerSpec Read(Section file)
    {
        var kind = file.Group("optimizer", ["kind", "learning_rate", .. Known.Values.SelectMany(k => k).Distinct()]).Choice("kind", (OptimizerKind?)null, Words.Optimizers);
        var optimizer = file.Group("optimizer", ["kind", "learning_rate", .. Known[kind]]);
        var standard = OptimizerSpec.Defaults(kind, optimizer.Number("learning_rate", null, "a finite number above 0", rate => rate > 0));
        double Positive(string key, double value) => optimizer.Number(key, value, "a finite number from 0", number => number >= 0);
        double Share(string key, double value) => optimizer.Number(key, value, "a number from 0 up to, but not including, 1", share => share is >= 0 and < 1);
        var betas = optimizer.Numbers("betas", [standard.Beta1, standard.Beta2], "two numbers from 0 up to, but not including, 1, such as [0.9, 0.999]", share => share is >= 0 and < 1);
        var spec = standard with
        {
            Momentum = Positive("momentum", standard.Momentum),
            Dampening = optimizer.Number("dampening", standard.Dampening, "a finite number", _ => true),
            Nesterov = optimizer.Flag("nesterov", standard.Nesterov),
            WeightDecay = Positive("weight_decay", standard.WeightDecay),
            Beta1 = betas[0],
            Beta2 = betas[1],
            Eps = Positive("eps", standard.Eps),
            Alpha = Share("alpha", standard.Alpha),
            Centered = optimizer.Flag("centered", standard.Centered),
            LrDecay = Positive("lr_decay", standard.LrDecay),
            InitialAccumulator = Positive("initial_accumulator_value", standard.InitialAccumulator),
        };
        if (spec.Nesterov && (spec.Momentum == 0 || spec.Dampening != 0))
            throw optimizer.Wrong("nesterov", "needs a momentum above 0 and no dampening", "Set optimizer.momentum, for example to 0.9.");
        return spec;
    }

    /// <summary>The keys of a kind with their values, as YAML in braces.</summary>
    public static string Write(OptimizerSpec spec)
    {
        var values = new Dictionary<string, string>
        {
            ["momentum"] = Number(spec.Momentum),
            ["dampening"] = Number(spec.Dampening),
            ["nesterov"] = spec.Nesterov ? "true" : "false",
            ["weight_decay"] = Number(spec.WeightDecay),
            ["betas"] = $"[{Number(spec.Beta1)}, {Number(spec.Beta2)}]",
            ["eps"] = Number(spec.Eps),
            ["alpha"] = Number(spec.Alpha),
            ["centered"] = spec.Centered ? "true" : "false",
            ["lr_decay"] = Number(spec.LrDecay),
            ["initial_accumulator_value"] = Number(spec.InitialAccumulator),
        };
        return $"{{ kind: {Words.Of(Words.Optimizers, spec.Kind)}, learning_rate: {Number(spec.LearningRate)}, {string.Join(", ", Known[spec.Kind].Select(key => $"{key}: {values[key]}"))} }}";
    }

    private static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}
