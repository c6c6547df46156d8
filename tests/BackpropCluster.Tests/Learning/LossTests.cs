using BackpropCluster.Core.Learning;

namespace BackpropCluster.Tests.Learning;

public class LossTests
{
    [Fact]
    public void IsHalfTheSumOfTheSquaredErrors() =>
        Assert.Equal(0.5 * 0.25 + 0.5 * 4, LossKind.HalfSquaredError.Value([1.5, -1], [1, 1]));

    [Fact]
    public void TheSlopeIsTheErrorDividedByTheBatchsRows()
    {
        var slope = new double[2];
        LossKind.HalfSquaredError.Gradient([1.5, -1], [1, 1], 4, slope);
        Assert.Equal([0.125, -0.5], slope);
    }

    [Theory]
    [InlineData(new[] { 0.1, 0.7, 0.2 }, new[] { 0.0, 1, 0 }, true)]
    [InlineData(new[] { 0.7, 0.7, 0.2 }, new[] { 0.0, 1, 0 }, false)] // the first among equals
    [InlineData(new[] { 0.5 }, new[] { 1.0 }, true)]
    [InlineData(new[] { 0.49 }, new[] { 1.0 }, false)]
    [InlineData(new[] { 0.49 }, new[] { 0.0 }, true)]
    public void ARowIsCorrectIfItsLargestOutputNamesItsClass(double[] y, double[] target, bool correct) =>
        Assert.Equal(correct, LossRules.IsCorrect(y, target));
}
