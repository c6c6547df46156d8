using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Data;

/// <summary>Rows ready for training: split, scaled and with one target per output. Never changes, so all parts on a
/// silo share one.</summary>
public sealed class Dataset
{
    private Dataset(Table table, int outputs, RowSet training, RowSet test)
    {
        (Features, HasClasses, FilesSha256) = (table.Features, table.Classes is not null, table.FilesSha256);
        (Outputs, Training, Test) = (outputs, training, test);
    }

    public int Features { get; }
    public int Outputs { get; }

    /// <summary>Whether accuracy means something: targets stand for classes.</summary>
    public bool HasClasses { get; }

    /// <summary>Of the files that the rows were read from: <see cref="Table.FilesSha256"/>.</summary>
    public string FilesSha256 { get; }

    public RowSet Training { get; }

    /// <summary>The rows held out; perhaps none.</summary>
    public RowSet Test { get; }

    /// <summary>Splits by (seed, "split"), scales by the training rows, makes targets for <paramref name="outputs"/>
    /// outputs.</summary>
    /// <exception cref="ArgumentException">The table does not accept so many outputs, or no row would be left for
    /// training.</exception>
    public static Dataset Prepare(Table table, DataSpec spec, ulong seed, int outputs)
    {
        if (!table.Accepts(outputs))
            throw new ArgumentException(
                $"data with {table.ClassCount} classes and {table.TargetColumns} real targets do not fit {outputs} "
                    + $"outputs"
            );
        var testRows = table.HeldOut(spec.Test);
        if (testRows >= table.Rows)
            throw new ArgumentException($"test: {spec.Test} leaves none of {table.Rows} rows for training");

        int[] order =
            table.TestRows > 0
                ? [.. Enumerable.Range(table.Rows - testRows, testRows), .. Enumerable.Range(0, table.Rows - testRows)]
                : new CounterRandom(seed, RandomPurpose.Split, 0).Permutation(table.Rows);
        // File order within each part: without shuffling, rows must come as the file has them.
        Array.Sort(order, 0, testRows);
        Array.Sort(order, testRows, table.Rows - testRows);
        var test = RowSet.Select(table, order.AsSpan(0, testRows), outputs);
        var training = RowSet.Select(table, order.AsSpan(testRows), outputs);
        var scaler = Scaler.From(spec.Scale, training);
        return new Dataset(table, outputs, training.ScaledBy(scaler), test.ScaledBy(scaler));
    }
}
