using BackpropCluster.Core.Learning;
using CsCheck;

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

    /// <summary>What the product computes for all rows at once, beside what the reference computes row by
    /// row.</summary>
    [Theory]
    [InlineData(LossKind.HalfSquaredError)]
    [InlineData(LossKind.MeanSquaredError)]
    [InlineData(LossKind.CrossEntropy)]
    public void ManyRowsGiveTheBitsOfEachRow(LossKind loss) =>
        Gen.Select(Gen.Int[1, 6], Gen.Int[0, 40], Gen.Double[-800, 800].Array[240])
            .Sample(
                (outputs, rows, numbers) =>
                {
                    var y = numbers.AsSpan(0, outputs * rows).ToArray();
                    var t = y.Select((_, i) => i % (rows + 1) % outputs == i / rows ? 1.0 : 0).ToArray();
                    var (losses, gradient, correct) = (new double[rows], new double[y.Length], 0);
                    var counted = loss.Compare(y, t, rows, 7, losses, gradient);
                    for (var r = 0; r < rows; r++)
                    {
                        var (row, target) = (Column(y, r, rows), Column(t, r, rows));
                        var slope = new double[outputs];
                        loss.Gradient(row, target, 7, slope);
                        correct += LossRules.IsCorrect(row, target) ? 1 : 0;
                        Assert.Equal(loss.Value(row, target), losses[r], (a, b) => a.Equals(b));
                        Assert.Equal(slope, Column(gradient, r, rows));
                    }

                    Assert.Equal(correct, counted);
                },
                iter: 1000
            );

    private static double[] Column(double[] values, int row, int rows) => [.. values.Where((_, i) => i % rows == row)];

    [Theory]
    [InlineData(new[] { 0.1, 0.7, 0.2 }, new[] { 0.0, 1, 0 }, true)]
    [InlineData(new[] { 0.7, 0.7, 0.2 }, new[] { 0.0, 1, 0 }, false)] // the first among equals
    [InlineData(new[] { 0.5 }, new[] { 1.0 }, true)]
    [InlineData(new[] { 0.49 }, new[] { 1.0 }, false)]
    [InlineData(new[] { 0.49 }, new[] { 0.0 }, true)]
    public void ARowIsCorrectIfItsLargestOutputNamesItsClass(double[] y, double[] target, bool correct) =>
        Assert.Equal(correct, LossRules.IsCorrect(y, target));
}
