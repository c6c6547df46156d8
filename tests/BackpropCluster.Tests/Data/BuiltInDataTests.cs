using BackpropCluster.Core.Data;

namespace BackpropCluster.Tests.Data;

public class BuiltInDataTests
{
    // R. A. Fisher, 1936: fifty flowers of each species; the column means are those that every textbook prints.
    [Fact]
    public void IrisHas150FlowersFiftyOfEachSpecies()
    {
        var iris = BuiltInData.Read(DataSource.Iris);
        Assert.Equal((150, 4, 3), (iris.Rows, iris.Features, iris.ClassCount));
        Assert.Equal([50, 50, 50], iris.Classes!.CountBy(c => c).OrderBy(c => c.Key).Select(c => c.Value));
        Assert.Equal([5.1, 3.5, 1.4, 0.2], iris.Inputs[..4]);
        foreach (var (column, mean) in new[] { 5.843333, 3.057333, 3.758, 1.199333 }.Index())
            Assert.Equal(mean, Enumerable.Range(0, 150).Average(row => iris.Inputs[row * 4 + column]), 1e-6);
    }

    // scikit-learn's description of load_digits: 1797 rows, 8 × 8 pixels from 0 to 16, and these counts of each digit.
    [Fact]
    public void DigitsHas1797ImagesOf64Pixels()
    {
        var digits = BuiltInData.Read(DataSource.Digits);
        Assert.Equal((1797, 64, 10), (digits.Rows, digits.Features, digits.ClassCount));
        Assert.Equal(
            [178, 182, 177, 183, 181, 182, 181, 179, 174, 180],
            digits.Classes!.CountBy(c => c).OrderBy(c => c.Key).Select(c => c.Value)
        );
        Assert.Equal((0, 16, 561718), (digits.Inputs.Min(), digits.Inputs.Max(), digits.Inputs.Sum()));
    }

    [Fact]
    public void XorIsTrueWhereTheInputsDiffer()
    {
        var xor = BuiltInData.Read(DataSource.Xor);
        Assert.Equal(4, xor.Rows);
        Assert.All(
            Enumerable.Range(0, 4),
            row => Assert.Equal(xor.Inputs[row * 2] != xor.Inputs[row * 2 + 1], xor.Classes![row] == 1)
        );
    }

    [Fact]
    public void TheTutorialIsOneRowWithTwoRealTargets()
    {
        var mazur = BuiltInData.Read(DataSource.Mazur);
        Assert.Equal([0.05, 0.10], mazur.Inputs);
        Assert.Equal([0.01, 0.99], mazur.Targets);
        Assert.Null(mazur.Classes);
    }

    // Made, not embedded: another machine must make the same points, or every hash of a run on them would be its own.
    [Fact]
    public void TheSpiralIsTheSameOnEveryMachine()
    {
        var spiral = BuiltInData.Read(DataSource.Spiral);
        Assert.Equal((300, 2, 3), (spiral.Rows, spiral.Features, spiral.ClassCount));
        Assert.All(
            Enumerable.Range(0, 300),
            k =>
                Assert.Equal(
                    (k % 100 + 1) / 100.0,
                    Math.Sqrt(
                        spiral.Inputs[2 * k] * spiral.Inputs[2 * k]
                            + spiral.Inputs[2 * k + 1] * spiral.Inputs[2 * k + 1]
                    ),
                    1e-15
                )
        );
        Assert.Equal("8c0ef443eb100a2ad758fc5acdd1714c6927471741e83a61ae", spiral.Sha256()[..50]);
    }
}
