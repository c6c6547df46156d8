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

    private static readonly Dictionary<ScheduleKind, string[]> ScheduleKeys = new()
    {
        [ScheduleKind.Constant] = [],
        [ScheduleKind.Step] = ["every", "factor"],
        [ScheduleKind.Cosine] = ["over", "final"],
    };

    public static OptimizerSpec Read(Section file)
    {
        var kind = file.Group(
                "optimizer",
                ["kind", "learning_rate", .. Known.Values.SelectMany(k => k).Distinct(), "schedule"]
            )
            .Choice("kind", (OptimizerKind?)null, Words.Optimizers);
        var optimizer = file.Group("optimizer", ["kind", "learning_rate", .. Known[kind], "schedule"]);
        var standard = OptimizerSpec.Defaults(
            kind,
            optimizer.Number("learning_rate", null, "a finite number above 0", rate => rate > 0)
        );
        double Positive(string key, double value) =>
            optimizer.Number(key, value, "a finite number from 0", number => number >= 0);
        double Share(string key, double value) =>
            optimizer.Number(key, value, "a number from 0 up to, but not including, 1", share => share is >= 0 and < 1);
        var betas = optimizer.Numbers(
            "betas",
            [standard.Beta1, standard.Beta2],
            "two numbers from 0 up to, but not including, 1, such as [0.9, 0.999]",
            share => share is >= 0 and < 1
        );
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
            Schedule = ReadSchedule(optimizer),
        };
        if (spec.Nesterov && (spec.Momentum == 0 || spec.Dampening != 0))
            throw optimizer.Wrong(
                "nesterov",
                "needs a momentum above 0 and no dampening",
                "Set optimizer.momentum, for example to 0.9."
            );
        return spec;
    }

    // In steps, not epochs: a rate is a pure function of the step.
    private static Schedule ReadSchedule(Section optimizer)
    {
        if (!optimizer.Has("schedule"))
            return Schedule.Constant;
        var kind = optimizer
            .Group("schedule", "kind", "warm_up", "every", "factor", "over", "final")
            .Choice("kind", (ScheduleKind?)null, Words.Schedules);
        var keys = optimizer.Group("schedule", ["kind", "warm_up", .. ScheduleKeys[kind]]);
        var schedule = new Schedule { Kind = kind, WarmUp = keys.Whole("warm_up", 0, 0, int.MaxValue) };
        return kind switch
        {
            ScheduleKind.Step => schedule with
            {
                Every = keys.Whole("every", null, 1, int.MaxValue),
                Factor = keys.Number(
                    "factor",
                    null,
                    "a number above 0 and at most 1",
                    factor => factor is > 0 and <= 1
                ),
            },
            ScheduleKind.Cosine => schedule with
            {
                Over = keys.Whole("over", null, 1, int.MaxValue),
                Final = keys.Number("final", 0, "a finite number from 0", final => final >= 0),
            },
            _ => schedule,
        };
    }

    private static string Write(Schedule schedule)
    {
        var values = new Dictionary<string, string>
        {
            ["every"] = schedule.Every.ToString(CultureInfo.InvariantCulture),
            ["factor"] = Number(schedule.Factor),
            ["over"] = schedule.Over.ToString(CultureInfo.InvariantCulture),
            ["final"] = Number(schedule.Final),
        };
        var keys = string.Concat(ScheduleKeys[schedule.Kind].Select(key => $", {key}: {values[key]}"));
        return $"{{ kind: {Words.Of(Words.Schedules, schedule.Kind)}, warm_up: "
            + $"{schedule.WarmUp.ToString(CultureInfo.InvariantCulture)}{keys} }}";
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
        var options = string.Join(", ", Known[spec.Kind].Select(key => $"{key}: {values[key]}"));
        var schedule = spec.Schedule == Schedule.Constant ? "" : $", schedule: {Write(spec.Schedule)}";
        return $"{{ kind: {Words.Of(Words.Optimizers, spec.Kind)}, learning_rate: {Number(spec.LearningRate)}, "
            + $"{options}{schedule} }}";
    }

    private static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}
