using BackpropCluster.Core;
using BackpropCluster.Core.Data;

namespace BackpropCluster.Tests.Data;

/// <summary>Rows are gathered by blocks of eight rows and four features: here with all sorts of rests.</summary>
public class RowSetTests
{
    private const int Rows = 40;

    public static MatrixTheoryData<int, int> Sizes() => new([1, 2, 3, 4, 5, 7, 8, 9], [0, 1, 7, 8, 9, 16, 23, 32]);

    [Theory, MemberData(nameof(Sizes))]
    public void InputsStandFeatureByFeatureWhateverIsLeftOver(int features, int count)
    {
        var set = Set(features);
        int[] rows = [.. Enumerable.Range(0, count).Select(i => i * 7 % set.Count)];
        var values = set.Inputs(rows);
        for (var f = 0; f < features; f++)
        for (var r = 0; r < count; r++)
            Assert.Equal(set.Input(rows[r], f), values[f * count + r]);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(int.MaxValue)]
    public void ARowThatIsNotThereIsRefusedBeforeAnythingIsRead(int row) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Set(3).Inputs([0, 1, 2, 3, 4, 5, 6, row]));

    [Fact]
    public void AnArrayOfAnotherSizeIsRefused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Set(3).CopyInputs([0, 1], new double[5]));

    private static RowSet Set(int features)
    {
        double[] inputs = [.. Enumerable.Range(0, Rows * features).Select(i => i + 0.5)];
        var table = Table.OfClasses(features, inputs, [.. Enumerable.Range(0, Rows).Select(i => i % 2)], 2);
        return Dataset.Prepare(table, new DataSpec { Source = DataSource.Digits }, seed: 1, outputs: 2).Training;
    }
}
