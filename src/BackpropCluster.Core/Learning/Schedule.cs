namespace BackpropCluster.Core.Learning;

/// <summary>How the learning rate changes from step to step, after the warm-up.</summary>
public enum ScheduleKind
{
    Constant,

    /// <summary>Multiplied by a factor every so many steps.</summary>
    Step,

    /// <summary>Along half a cosine down to its final value (I. Loshchilov, F. Hutter, "SGDR", 2017, without
    /// restarts).</summary>
    Cosine,
}

/// <summary>The learning rate of each step: a pure function of the step, so that a resumed run goes on with the same
/// one.</summary>
/// <remarks><code>
/// t = 1, 2, … the step; w the warm-up's steps; k = t − 1 − w
/// t ≤ w       η·t/w
/// constant    η
/// step        η·factor^⌊k/every⌋                                      PyTorch's StepLR
/// cosine      final + (η − final)·(1 + cos(π·min(k, over)/over))/2    PyTorch's CosineAnnealingLR up to k = over
/// </code></remarks>
[GenerateSerializer, Immutable, Alias("schedule")]
public sealed record Schedule
{
    [Id(0)]
    public ScheduleKind Kind { get; init; }

    /// <summary>Steps in which the rate grows in equal parts to its full value.</summary>
    [Id(1)]
    public int WarmUp { get; init; }

    /// <summary>For <see cref="ScheduleKind.Step"/>: steps from one multiplication to the next.</summary>
    [Id(2)]
    public int Every { get; init; }

    /// <summary>For <see cref="ScheduleKind.Step"/>.</summary>
    [Id(3)]
    public double Factor { get; init; }

    /// <summary>For <see cref="ScheduleKind.Cosine"/>: steps until the final rate is reached.</summary>
    [Id(4)]
    public int Over { get; init; }

    /// <summary>For <see cref="ScheduleKind.Cosine"/>: the rate from then on.</summary>
    [Id(5)]
    public double Final { get; init; }

    public static Schedule Constant { get; } = new();

    /// <summary>The rate of a step.</summary>
    /// <param name="rate">η, the full rate.</param>
    /// <param name="step">From 1.</param>
    public double RateAt(double rate, int step)
    {
        if (step <= WarmUp)
            return rate * step / WarmUp;
        var k = step - 1 - WarmUp;
        return Kind switch
        {
            ScheduleKind.Step => rate * OptimizerStep.Power(Factor, k / Every),
            ScheduleKind.Cosine => k >= Over
                ? Final
                : Final + (rate - Final) * (1 + PortableMath.CosPi((double)k / Over)) / 2,
            _ => rate,
        };
    }
}
