using BackpropCluster.Cli.Runs;
using BackpropCluster.Core;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>What is too large to be sent or saved is said before a run begins, with the key that cures it and a value
/// that works.</summary>
public class PlanLimitsTests
{
    [Fact]
    public void AnOrdinaryPlanIsWithinThem() => Assert.Null(PlanLimits.Exceeded(Plan(784, 256, batch: 128)));

    // 14,000 units × 9,600 rows are more than 2²⁷ values; half of the rows are not.
    [Fact]
    public void ActivationsThatNoMessageHoldsNameTheMicrobatches()
    {
        var plan = Plan(1000, 14_000, batch: 9_600);
        Assert.Contains(
            "Set data.microbatches to at least 2, or data.batch to at most 9586.",
            PlanLimits.Exceeded(plan),
            StringComparison.Ordinal
        );
        Assert.Null(
            PlanLimits.Exceeded(plan with { Spec = plan.Spec with { Data = plan.Spec.Data with { Microbatches = 2 } } })
        );
        Assert.Null(
            PlanLimits.Exceeded(plan with { Spec = plan.Spec with { Data = plan.Spec.Data with { Batch = 9_586 } } })
        );
    }

    // Adam keeps two numbers beside each weight: 3 × 50 million are more than 2²⁷.
    [Fact]
    public void APartThatNoRecordHoldsNamesTheGranularity()
    {
        var plan = Plan(5000, 10_000, batch: 1, OptimizerKind.Adam);
        var said = PlanLimits.Exceeded(plan)!;
        Assert.Contains("a part of layer 1, 10000 units with 15003 numbers each", said, StringComparison.Ordinal);
        Assert.Contains("Set cluster.granularity to at most 8946.", said, StringComparison.Ordinal);
        Assert.Null(PlanLimits.Exceeded(plan with { Granularity = new Granularity(8946) }));
        Assert.NotNull(PlanLimits.Exceeded(plan with { Granularity = new Granularity(8947) }));
        Assert.Null(PlanLimits.Exceeded(plan with { Checkpoints = CheckpointRule.None }));
    }

    [Fact]
    public void ARedisHoldsLessThanAFolder()
    {
        var plan = Plan(7_000, 10_000, batch: 1);
        Assert.Null(PlanLimits.Exceeded(plan));
        Assert.Contains(
            "Set cluster.granularity to at most",
            PlanLimits.Exceeded(plan, PlanLimits.MaxRedisPartBytes),
            StringComparison.Ordinal
        );
    }

    private static RunPlan Plan(int features, int units, int batch, OptimizerKind optimizer = OptimizerKind.Sgd)
    {
        var spec = Runs.Uneven(batch: 5, epochs: 1);
        spec = spec with
        {
            Data = spec.Data with { Batch = batch, Microbatches = 1 },
            Model = spec.Model with
            {
                Layers = [Runs.Layer(units, Activation.Tanh), Runs.Layer(3, Activation.Logistic)],
            },
            Optimizer = OptimizerSpec.Defaults(optimizer, 0.1),
        };
        return Runs.Plan(spec, Runs.BuiltIn(Runs.Uneven(batch: 5, epochs: 1)), Granularity.Layer) with
        {
            Features = features,
            TrainingRows = 20_000,
            TestRows = 0,
            Checkpoints = new CheckpointRule(100, TimeSpan.Zero),
        };
    }
}
