using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using CsCheck;

namespace BackpropCluster.Tests.Data;

public class BatchOrderTests
{
    [Fact]
    public void ShuffledEachRowComesOnceAnEpoch() =>
        Gen.Select(Gen.Int[1, 40], Gen.Int[1, 50], Gen.Int[1, 4], Gen.Int[1, 5], Gen.ULong)
            .Sample(
                (rows, batch, epochs, microbatches, seed) =>
                {
                    var order = Shuffled(rows, batch, epochs, microbatches, seed);
                    return Enumerable.Range(1, order.Steps).GroupBy(order.EpochOf, step => RowsOf(order, step))
                            is var byEpoch
                        && byEpoch.Count() == epochs
                        && byEpoch.All(epoch =>
                            epoch.SelectMany(r => r).Order().SequenceEqual(Enumerable.Range(0, rows))
                        );
                }
            );

    [Fact]
    public void TheLastBatchOfAnEpochHoldsWhatIsLeft()
    {
        var order = Shuffled(rows: 12, batch: 5, epochs: 2);
        Assert.Equal([5, 5, 2, 5, 5, 2], Enumerable.Range(1, order.Steps).Select(order.CountOf));
        Assert.Equal(
            [false, false, true, false, false, true],
            Enumerable.Range(1, order.Steps).Select(order.EndsEpoch)
        );
    }

    [Fact]
    public void EachEpochHasAnOrderOfItsOwnAndTheSeedDecidesIt()
    {
        string Epoch(int epoch, ulong seed) =>
            string.Join(' ', RowsOf(Shuffled(rows: 30, batch: 30, epochs: 3, seed: seed), epoch));
        Assert.Equal(Epoch(2, seed: 1), Epoch(2, seed: 1));
        Assert.Equal(4, new[] { Epoch(1, 1), Epoch(2, 1), Epoch(3, 1), Epoch(1, 2) }.Distinct().Count());
    }

    [Fact]
    public void AStepHasTheSameRowsInWhateverOrderStepsAreAskedFor()
    {
        var forward = Shuffled(rows: 12, batch: 5, epochs: 3);
        var expected = Enumerable.Range(1, 9).Select(step => RowsOf(forward, step)).ToArray();
        var backward = Shuffled(rows: 12, batch: 5, epochs: 3);
        for (var step = 9; step >= 1; step--)
            Assert.Equal(expected[step - 1], RowsOf(backward, step));
    }

    [Fact]
    public void InFileOrderTheRowsAreARingAndEveryBatchIsFull()
    {
        var order = new BatchOrder(
            new DataSpec
            {
                Source = DataSource.Xor,
                Shuffle = false,
                Batch = 3,
            },
            epochs: 2,
            seed: 1,
            trainingRows: 4
        );
        Assert.Equal(3, order.Steps); // 8 rows in threes; the last batch takes one row of a third pass
        Assert.Equal([0, 1, 2, 3, 0, 1, 2, 3, 0], Enumerable.Range(1, 3).SelectMany(step => RowsOf(order, step)));
        Assert.Equal([1, 1, 2], Enumerable.Range(1, 3).Select(order.EpochOf));
    }

    [Fact]
    public void WithoutABatchSizeAStepTakesAllRows()
    {
        var order = new BatchOrder(
            new DataSpec { Source = DataSource.Xor, Shuffle = false },
            epochs: 5,
            seed: 1,
            trainingRows: 4
        );
        Assert.Equal((5, 4), (order.Steps, order.CountOf(1)));
        Assert.All(Enumerable.Range(1, 5), step => Assert.Equal(step, order.EpochOf(step)));
    }

    [Fact]
    public void MicrobatchesCutABatchIntoNeighbouringPartsOfAlmostEqualSize() =>
        Gen.Select(Gen.Int[1, 40], Gen.Int[1, 9], Gen.Bool)
            .Sample(
                (batch, microbatches, shuffle) =>
                {
                    DataSpec spec = new()
                    {
                        Source = DataSource.Xor,
                        Shuffle = shuffle,
                        Batch = batch,
                    };
                    var (whole, cut) = (
                        new BatchOrder(spec, 2, 3, 41),
                        new BatchOrder(spec with { Microbatches = microbatches }, 2, 3, 41)
                    );
                    return Enumerable
                        .Range(1, whole.Steps)
                        .All(step =>
                        {
                            var sizes = Enumerable
                                .Range(0, microbatches)
                                .Select(m => cut.RowsOf(step, m).Length)
                                .ToArray();
                            return whole.RowsOf(step, 0).SequenceEqual(RowsOf(cut, step))
                                && sizes.Max() - sizes.Min() <= 1
                                && sizes.Sum() == cut.CountOf(step);
                        });
                }
            );

    private static BatchOrder Shuffled(int rows, int batch, int epochs, int microbatches = 1, ulong seed = 1) =>
        new(
            new DataSpec
            {
                Source = DataSource.Iris,
                Batch = batch,
                Microbatches = microbatches,
            },
            epochs,
            seed,
            rows
        );

    private static int[] RowsOf(BatchOrder order, int step) =>
        [.. Enumerable.Range(0, order.Microbatches).SelectMany(m => order.RowsOf(step, m))];
}
