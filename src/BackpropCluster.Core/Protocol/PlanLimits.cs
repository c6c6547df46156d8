using System.Globalization;

namespace BackpropCluster.Core.Protocol;

/// <summary>What a message and a record can hold, looked at before a run begins: in the middle of it nobody could be
/// told which key to change.</summary>
public static class PlanLimits
{
    /// <summary>The longest message between silos and clients: the largest payload, and what stands round it.</summary>
    public const int MaxMessageBytes = (int)(Payload.MaxValues * (long)sizeof(double)) + (1 << 20);

    /// <summary>The largest record of a Redis, 512 MiB, less what stands round a part.</summary>
    public const long MaxRedisPartBytes = (512L << 20) - (1 << 20);

    /// <summary>What of a plan is too large to be sent or saved.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="maxPartBytes">The largest part that its store can keep.</param>
    /// <returns>What, how large, the limit and the key that cures it; <see langword="null"/> if all fits.</returns>
    public static string? Exceeded(RunPlan plan, long maxPartBytes = Payload.MaxValues * (long)sizeof(double)) =>
        ArrayTooLarge(plan) ?? PartTooLarge(plan, maxPartBytes / sizeof(double));

    // A layer's array of one microbatch goes as one payload.
    private static string? ArrayTooLarge(RunPlan plan)
    {
        var batch = Math.Min(plan.Spec.Data.Batch ?? plan.TrainingRows, plan.TrainingRows);
        var rows = (batch + plan.Spec.Data.Microbatches - 1) / plan.Spec.Data.Microbatches;
        var widest = Math.Max(plan.Features, plan.Spec.Model.Layers.Max(layer => layer.Units));
        if ((long)widest * rows > Payload.MaxValues)
            return string.Create(
                CultureInfo.InvariantCulture,
                $"the widest layer, {widest} values a row, makes {(long)widest * rows} values of a microbatch of "
                    + $"{rows} rows, and a message holds {Payload.MaxValues}. Set data.microbatches to at least "
                    + $"{((long)widest * batch + Payload.MaxValues - 1) / Payload.MaxValues}, or data.batch to "
                    + $"at most {Payload.MaxValues / widest}."
            );
        var evaluated = Math.Min(EvaluationRows.Count(plan), EvaluationRows.ChunkRows);
        return (long)widest * evaluated > Payload.MaxValues
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"the widest layer, {widest} values a row, makes {(long)widest * evaluated} values of {evaluated} "
                    + $"rows of an evaluation, and a message holds {Payload.MaxValues}. Use fewer units."
            )
            : null;
    }

    // A shard's rows of W with their optimizer state are one record.
    private static string? PartTooLarge(RunPlan plan, long maxValues)
    {
        if (plan.Checkpoints == CheckpointRule.None)
            return null;
        for (var layer = 1; layer <= plan.Depth; layer++)
        {
            var perUnit = (plan.Spec.Model.InputsOf(layer, plan.Features) + 1L) * (1 + plan.Spec.Optimizer.StateSize);
            var units = plan.ShardsOf(layer).Max(shard => shard.Units);
            if (units * perUnit <= maxValues)
                continue;
            var fits = maxValues / perUnit;
            const string narrower = "Use fewer units in the layer below.";
            return string.Create(
                CultureInfo.InvariantCulture,
                $"a part of layer {layer}, {units} units with {perUnit} numbers each, is {units * perUnit} numbers, "
                    + $"and a record of its store holds {maxValues}. "
                    + $"{(fits > 0 ? $"Set cluster.granularity to at most {fits}." : narrower)}"
            );
        }

        return null;
    }
}
