using BackpropCluster.Core.Learning;

namespace BackpropCluster.Tests.Learning;

/// <summary>Learning rates against PyTorch 1.13's schedulers, which printed these numbers (lr 0.3, float64).</summary>
public class ScheduleTests
{
    [Fact]
    public void StepIsStepLr() =>
        AssertRates(
            new Schedule
            {
                Kind = ScheduleKind.Step,
                Every = 3,
                Factor = 0.5,
            },
            0.3,
            0.3,
            0.3,
            0.15,
            0.15,
            0.15,
            0.075,
            0.075
        );

    [Fact]
    public void CosineIsCosineAnnealingLrAndStaysAtItsFinalRate() =>
        AssertRates(
            new Schedule
            {
                Kind = ScheduleKind.Cosine,
                Over = 10,
                Final = 0.01,
            },
            0.3,
            0.29290319486279726,
            0.27230746418436735,
            0.24022886158240858,
            0.19980746418436734,
            0.15499999999999997,
            0.11019253581563261,
            0.0697711384175914,
            0.03769253581563263,
            0.017096805137202735,
            0.01,
            0.01,
            0.01
        );

    [Fact]
    public void WarmUpGrowsInEqualPartsAndTheDecayBeginsAfterIt()
    {
        var step = new Schedule
        {
            Kind = ScheduleKind.Step,
            WarmUp = 4,
            Every = 2,
            Factor = 0.1,
        };
        AssertRates(step, 0.075, 0.15, 0.225, 0.3, 0.3, 0.3, 0.03, 0.03, 0.003);
        AssertRates(Schedule.Constant with { WarmUp = 2 }, 0.15, 0.3, 0.3, 0.3);
    }

    // A rate that every update is scaled by must not depend on the C library either.
    [Theory]
    [InlineData(0, 1, 0)]
    [InlineData(1, -1, 0)]
    [InlineData(0.5, 0, 1)]
    [InlineData(-0.5, 0, -1)]
    [InlineData(0.25, 0.70710678118654752, 0.70710678118654752)]
    [InlineData(1.0 / 3, 0.5, 0.86602540378443865)]
    [InlineData(0.1, 0.95105651629515357, 0.30901699437494742)]
    [InlineData(1.7, 0.58778525229247313, -0.80901699437494742)]
    [InlineData(-12.9, -0.95105651629515357, -0.30901699437494742)]
    public void CosineAndSineOfHalfTurnsAreClosedForms(double u, double cosine, double sine)
    {
        Assert.Equal(cosine, PortableMath.CosPi(u), 2e-15);
        Assert.Equal(sine, PortableMath.SinPi(u), 2e-15);
    }

    [Fact]
    public void CosineAndSineAgreeWithTheLibrarysOverAWholeTurn()
    {
        for (var u = -1.0; u <= 1; u += 1.0 / 4096)
        {
            Assert.Equal(Math.Cos(Math.PI * u), PortableMath.CosPi(u), 4e-16);
            Assert.Equal(Math.Sin(Math.PI * u), PortableMath.SinPi(u), 4e-16);
        }
    }

    private static void AssertRates(Schedule schedule, params double[] rates)
    {
        for (var i = 0; i < rates.Length; i++)
            Assert.Equal(rates[i], schedule.RateAt(0.3, i + 1), 1e-15);
    }
}
