using System.Globalization;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Grains;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>The data's keys: which rows there are and how they travel. The rows are read with them, since most of what
/// can be wrong shows only there.</summary>
internal static class DataKeys
{
    public static DataSpec Read(Section file, string path, out Table table)
    {
        string[] common = ["source", "batch", "microbatches", "shuffle", "test", "scale"];
        string[] idx = ["images", "labels", "test_images", "test_labels"];
        string[] csv = ["file", "header", "target", "classes"];
        var source = file.Group("data", [.. common, .. idx, .. csv]).Choice("source", (DataSource?)null, Words.Sources);
        var data = file.Group(
            "data",
            source switch
            {
                DataSource.Idx => [.. common, .. idx],
                DataSource.Csv => [.. common, .. csv],
                _ => common,
            }
        );
        var files = source == DataSource.Idx ? Idx(data, path) : null;
        var text = source == DataSource.Csv ? Csv(data, path) : null;
        table = DataFiles.Read(
            new DataSpec
            {
                Source = source,
                Idx = files,
                Csv = text,
            }
        );
        var test = data.Number("test", 0, "a share from 0 up to, but not including, 1", share => share is >= 0 and < 1);
        if (files?.TestImages is not null && data.Has("test"))
            throw data.Wrong("test", "a share is given beside test_images", "Give one of them.");
        var training = table.Rows - table.HeldOut(test);
        if (training < 1)
            throw data.Wrong(
                "test",
                $"{test.ToString(CultureInfo.InvariantCulture)} of {table.Rows} rows leaves none for training",
                "Hold out fewer rows."
            );
        var batch = data.Text("batch") is null or "all" ? (int?)null : data.Whole("batch", null, 1, int.MaxValue);
        if (batch > training)
            throw data.Wrong(
                "batch",
                $"got {batch} rows, but only {training} are for training",
                $"Use at most {training}, or all."
            );
        var microbatches = data.Whole("microbatches", 1, 1, int.MaxValue);
        if (microbatches > (batch ?? training))
            throw data.Wrong(
                "microbatches",
                $"got {microbatches} parts of {batch ?? training} rows",
                "Use at most one part a row."
            );
        return new DataSpec
        {
            Source = source,
            Batch = batch,
            Microbatches = microbatches,
            Shuffle = data.Flag("shuffle", true),
            Test = test,
            Scale = data.Choice("scale", Scaling.None, Words.Scalings),
            Idx = files,
            Csv = text,
        };
    }

    private static IdxFiles Idx(Section data, string path)
    {
        var files = new IdxFiles(
            data.Path("images", path),
            data.Path("labels", path),
            data.PathOrNone("test_images", path),
            data.PathOrNone("test_labels", path)
        );
        return (files.TestImages is null) == (files.TestLabels is null)
            ? files
            : throw data.Wrong("test_images", "test_images and test_labels belong together", "Give both or none.");
    }

    private static CsvFile Csv(Section data, string path)
    {
        var targets = data.Words("target");
        if (targets.Length == 0)
            throw data.Wrong("target", "is missing", "Name the column, or the columns, that the model is to learn.");
        if (Array.Find(targets, t => t.Length == 0 || t.Any(char.IsControl)) is { } odd)
            throw data.Wrong(
                "target",
                $"got {Excerpt.Of(odd)}, expected a column's name or index",
                "Correct data.target."
            );
        if (targets.Distinct().Count() < targets.Length)
            throw data.Wrong("target", "names a column twice", "Name each once.");
        int? classes = data.Has("classes") ? data.Whole("classes", null, 2, 1_000_000) : null;
        if (classes is not null && targets.Length > 1)
            throw data.Wrong(
                "classes",
                $"one column holds the class, but {targets.Length} targets are named",
                "Name one target, or leave classes out."
            );
        return new CsvFile(data.Path("file", path), data.Flag("header", true), string.Join('\n', targets), classes);
    }
}
