using BackpropCluster.Core;
using BackpropCluster.Core.Data;

namespace BackpropCluster.Tests.Data;

public class DatasetTests
{
    private static readonly DataSpec Plain = new() { Source = DataSource.Iris };

    // Ten rows whose first column is their number, so that a row can be recognised after the split.
    private static readonly Table Numbered = Table.OfClasses(
        2,
        [.. Enumerable.Range(0, 10).SelectMany(r => new double[] { r, 7 })],
        [.. Enumerable.Range(0, 10).Select(r => r % 3)],
        3
    );

    [Fact]
    public void EveryRowIsEitherTrainedOrHeldOutInFileOrder()
    {
        var data = Dataset.Prepare(Numbered, Plain with { Test = 0.3 }, seed: 4, outputs: 3);
        var (training, test) = (RowNumbers(data.Training), RowNumbers(data.Test));
        Assert.Equal(3, test.Length);
        Assert.Equal(training.Order(), training);
        Assert.Equal(test.Order(), test);
        Assert.Equal(Enumerable.Range(0, 10), training.Concat(test).Order());
    }

    [Fact]
    public void TheSeedDecidesWhichRowsAreHeldOut()
    {
        int[] Held(ulong seed) => RowNumbers(Dataset.Prepare(Numbered, Plain with { Test = 0.3 }, seed, 3).Test);
        Assert.Equal(Held(4), Held(4));
        Assert.True(
            Enumerable.Range(0, 20).Select(seed => string.Join(' ', Held((ulong)seed))).Distinct().Count() > 10
        );
    }

    [Theory]
    [InlineData(150, 0.2, 30)]
    [InlineData(12, 0.2, 2)]
    [InlineData(10, 0.25, 3)] // 2.5 rows: away from zero
    [InlineData(10, 0, 0)]
    [InlineData(10, 0.04, 0)]
    public void TheShareIsRoundedToTheNearestRow(int rows, double share, int held) =>
        Assert.Equal(held, Table.OfTargets(1, new double[rows], 1, []).HeldOut(share));

    [Fact]
    public void MinMaxPutsTheTrainingRowsIntoZeroToOne()
    {
        var iris = Dataset.Prepare(BuiltInData.Read(DataSource.Iris), Plain with { Scale = Scaling.MinMax }, 1, 3);
        for (var f = 0; f < 4; f++)
        {
            var column = Column(iris.Training, f);
            Assert.Equal((0, 1), (column.Min(), column.Max()));
        }

        // Sepal lengths run from 4.3 to 7.9 cm; the first flower's is 5.1.
        Assert.Equal((5.1 - 4.3) / (7.9 - 4.3), iris.Training.Input(0, 0), 1e-15);
    }

    // (x − mean)/deviation with divisor n, by Python: math.fsum over the file's columns.
    [Fact]
    public void StandardCentresAndDividesByTheDeviation()
    {
        var iris = Dataset.Prepare(BuiltInData.Read(DataSource.Iris), Plain with { Scale = Scaling.Standard }, 1, 3);
        double[] first = [-0.9006811702978088, 1.019004351971607, -1.3402265266227624, -1.3154442950077398];
        double[] last = [0.06866179325140237, -0.13197947932162468, 0.7627582691805538, 0.7906706536370738];
        for (var f = 0; f < 4; f++)
        {
            Assert.Equal(first[f], iris.Training.Input(0, f), 1e-13);
            Assert.Equal(last[f], iris.Training.Input(149, f), 1e-13);
        }
    }

    [Theory]
    [InlineData(Scaling.MinMax)]
    [InlineData(Scaling.Standard)]
    public void OnlyTheTrainingRowsSayHowToScale(Scaling scale)
    {
        // The same ten rows, but whatever is held out is a million: the training rows must not notice.
        var spec = Plain with
        {
            Test = 0.3,
            Scale = scale,
        };
        var held = RowNumbers(Dataset.Prepare(Numbered, spec with { Scale = Scaling.None }, 4, 3).Test);
        var inputs = (double[])Numbered.Inputs.Clone();
        foreach (var row in held)
            inputs[row * 2] = 1e6;
        var (data, spoiled) = (
            Dataset.Prepare(Numbered, spec, 4, 3),
            Dataset.Prepare(Numbered with { Inputs = inputs }, spec, 4, 3)
        );
        Assert.Equal(Column(data.Training, 0), Column(spoiled.Training, 0));
        Assert.All(Column(spoiled.Test, 0), x => Assert.True(x > 1e4));
    }

    [Theory]
    [InlineData(Scaling.MinMax)]
    [InlineData(Scaling.Standard)]
    public void AConstantColumnIsOnlyShifted(Scaling scale) =>
        Assert.All(
            Column(Dataset.Prepare(Numbered, Plain with { Scale = scale }, 4, 3).Training, 1),
            x => Assert.Equal(0, x)
        );

    [Fact]
    public void AClassBecomesAOneAtItsPlace()
    {
        var data = Dataset.Prepare(Numbered, Plain, 4, 3);
        Assert.Equal([0, 1, 0], data.Training.Target(4));
        Assert.True(data.HasClasses);
    }

    [Fact]
    public void OneOutputServesTwoClasses()
    {
        var xor = Dataset.Prepare(BuiltInData.Read(DataSource.Xor), Plain, 1, outputs: 1);
        Assert.Equal([0, 1, 1, 0], Enumerable.Range(0, 4).Select(row => xor.Training.Target(row)[0]));
        Assert.Equal(
            [0, 1],
            Dataset.Prepare(BuiltInData.Read(DataSource.Xor), Plain, 1, outputs: 2).Training.Target(1)
        );
    }

    [Theory]
    [InlineData(DataSource.Iris, 2)]
    [InlineData(DataSource.Iris, 1)]
    [InlineData(DataSource.Xor, 3)]
    [InlineData(DataSource.Mazur, 1)]
    public void OutputsThatDoNotFitTheDataAreRefused(DataSource source, int outputs) =>
        Assert.Contains(
            $"do not fit {outputs} outputs",
            Assert
                .Throws<ArgumentException>(() => Dataset.Prepare(BuiltInData.Read(source), Plain, 1, outputs))
                .Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void HoldingOutEveryRowIsRefused() =>
        Assert.Throws<ArgumentException>(() => Dataset.Prepare(Numbered, Plain with { Test = 0.96 }, 1, 3));

    [Fact]
    public void InputsOfSomeRowsComeFeatureByFeature()
    {
        var data = Dataset.Prepare(Numbered, Plain, 4, 3);
        Assert.Equal([8, 2, 7, 7], data.Training.Inputs([8, 2]));
    }

    // Wider and longer than what is copied at a time, with every remainder.
    [Fact]
    public void InputsOfAnyNumberOfRowsAndFeaturesAreTheTables()
    {
        for (var features = 1; features <= 19; features++)
        {
            var table = Table.OfClasses(
                features,
                [.. Enumerable.Range(0, 21 * features).Select(i => (double)i)],
                [.. Enumerable.Range(0, 21).Select(r => r % 3)],
                3
            );
            var data = Dataset.Prepare(table, Plain, 1, 3).Training;
            for (var count = 0; count <= 20; count++)
            {
                int[] rows = [.. Enumerable.Range(0, count).Select(r => (r * 8 + 3) % 21)];
                Assert.Equal(
                    Enumerable.Range(0, features).SelectMany(f => rows.Select(row => data.Input(row, f))),
                    data.Inputs(rows)
                );
            }
        }
    }

    private static int[] RowNumbers(RowSet rows) => [.. Column(rows, 0).Select(x => (int)x)];

    private static double[] Column(RowSet rows, int column) =>
        [.. Enumerable.Range(0, rows.Count).Select(row => rows.Input(row, column))];
}
