using System.IO.Compression;
using System.Text;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Grains.Data;
using BackpropCluster.Tests.RunFiles;

namespace BackpropCluster.Tests.Data;

/// <summary>Comma-separated values: what must be read, and what must be refused with its place.</summary>
public sealed class CsvTableTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-csv-");

    public void Dispose() => folder.Delete(recursive: true);

    [Theory]
    [InlineData("a,b,t\n1,2,3\n4,5,6\n")]
    [InlineData("a,b,t\r\n1,2,3\r\n4,5,6")]
    [InlineData("\uFEFFa,b,t\n\"1\",2,\"3\"\n\n 4 , 5 ,6\n\n")]
    [InlineData("a,\"b\",t\n1e0,+2,3.0\n4,5,6\n")]
    public void EveryWayToWriteATableReadsAlike(string text)
    {
        var table = Read(text, "t");
        Assert.Equal((2, 2, 1), (table.Rows, table.Features, table.TargetColumns));
        Assert.Equal([1, 2, 4, 5], table.Inputs);
        Assert.Equal([3, 6], table.Targets);
    }

    [Fact]
    public void TargetsKeepTheOrderInWhichTheyAreNamed()
    {
        var table = Read("u,x,v\n1,2,3\n4,5,6\n", "v\nu");
        Assert.Equal([3, 1, 6, 4], table.Targets);
        Assert.Equal([2, 5], table.Inputs);
    }

    [Fact]
    public void AColumnMayBeNamedByItsIndexWithAndWithoutAHeader()
    {
        Assert.Equal([2, 5], Read("1,2\n4,5\n", "1", header: false).Targets);
        Assert.Equal([2, 5], Read("a,b\n1,2\n4,5\n", "1").Targets);
    }

    [Fact]
    public void WordsBecomeClassesInTheOrderOfTheirLetters() =>
        Assert.Equal([1, 0, 1], Read("x,c\n1,\"no, never\"\n2,aye\n3,\"no, never\"\n", "c", classes: 2).Classes!);

    [Fact]
    public void AQuotedNameMayHoldCommasQuotesAndLineBreaks() =>
        Assert.Equal([7], Read("x,\"a, \"\"b\"\"\nc\"\n1,7\n", "1").Targets);

    [Fact]
    public void APackedFileIsReadAsAPlainOne()
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionMode.Compress, leaveOpen: true))
            gzip.Write("x,t\n1,2\n"u8);
        packed.Position = 0;
        Assert.Equal([2], CsvTable.Read(new CsvFile("f.csv", true, "t", null), packed).Targets);
    }

    public static TheoryData<string, string, int?, string> Broken() =>
        new()
        {
            { "", "t", null, "f.csv: holds no row" },
            { "x,t\n", "t", null, "f.csv: holds a header and no row" },
            { "x,t\n1,2\n3\n", "t", null, "f.csv:3: got 1 fields, the first record has 2" },
            { "x,t\n1,2,3\n", "t", null, "f.csv:2: got 3 fields" },
            { "x,t\n1,two\n", "t", null, "f.csv:2:3: got 'two', expected a number" },
            { "x,t\n1,2\n\n12345,\n", "t", null, "f.csv:4:7: got '', expected a number" },
            { "x,t\nNaN,2\n", "t", null, "f.csv:2:1: got NaN, expected a finite number" },
            { "x,t\n1,-Infinity\n", "t", null, "f.csv:2:3: got -Infinity, expected a finite number" },
            { "x,t\n1,1e999\n", "t", null, "f.csv:2:3: got 1e999, expected a finite number" },
            { "x,t\n\"1,2\n", "t", null, "f.csv:2: a quote is not closed" },
            { "x,t\n1\"2\",3\n", "t", null, "f.csv:2:2: a quote in a field without quotes" },
            { "x,t\n1,\"2\"3\n", "t", null, "f.csv:2:6: text after a closing quote" },
            { "x,t\n1,2\0\n", "t", null, "f.csv:2:4: a NUL, expected text" },
            { "x,x\n1,2\n", "x", null, "f.csv:1: two columns are named 'x'" },
            { "x,t\n1,2\n", "y", null, "there is no column 'y'; the header names x, t" },
            { "x,t\n1,2\n", "7", null, "there is no column '7'" },
            { "t\n1\n", "t", null, "every column is a target" },
            { "x,t\n1,2\n3,3\n", "t", 3, "f.csv:3:3: class 3, and data.classes is 3" },
            { "x,t\n1,a\n3,b\n", "t", 3, "f.csv: names 2 classes (a, b), and data.classes is 3" },
            { "x,t\n1,\n", "t", 3, "f.csv:2:3: an empty field, expected a class" },
            { "\"two\nlines\",t\n1,x\n", "t", null, "f.csv:3:3: got 'x'" },
            { "x,t\n1,2\n\u001b[31m,2\n", "t", null, "f.csv:3:1: got '?[31m', expected a number" },
        };

    [Theory, MemberData(nameof(Broken))]
    public void ABrokenFileIsOneErrorWithItsPlace(string text, string target, int? classes, string says)
    {
        var error = Assert.Throws<DataException>(() => Read(text, target, classes: classes));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void AFieldWithoutEndIsRefusedBeforeItFillsTheMemory()
    {
        var error = Assert.Throws<DataException>(() => Read("x,t\n1,\"" + new string('a', 1 << 20), "t"));
        Assert.Contains("Look for a quote that is not closed", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Rows of megabytes, as a line break that went missing makes them: named by the line where the row
    /// begins, and not kept.</summary>
    [Theory]
    [InlineData("x,t\n1,2\n", "1,", "f.csv:3: the row goes on after 2 fields, the first record has 2")]
    [InlineData("x,t\r\n\r\n\"1\",\"2\"\r\n", "\"1\",", "f.csv:4: the row goes on after 2 fields")]
    [InlineData("\"x\ny\",t\n1,2\n", "\"1\n\",", "f.csv:4: the row goes on after 2 fields")]
    [InlineData("", "x,", "f.csv:1: the first record goes on after 1048576 fields")]
    public void ARowWithoutEndIsRefusedBeforeItFillsTheMemory(string beginning, string repeated, string says)
    {
        using var stream = new MemoryStream(
            Encoding.UTF8.GetBytes(beginning + new StringBuilder().Insert(0, repeated, 8 << 20))
        );
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains(
            says,
            Assert.Throws<DataException>(() => CsvTable.Read(new CsvFile("f.csv", true, "t", null), stream)).Message,
            StringComparison.Ordinal
        );
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100 << 20);
    }

    [Fact]
    public void CommasAndLineBreaksInsideOfQuotesMakeNoRowTooLong()
    {
        var word = string.Concat(Enumerable.Repeat("a,\n\"\"", 10_000));
        Assert.Equal([1, 0], Read($"x,c\n1,\"{word}\"\n2,\"\"\"b\"\n", "c", classes: 2).Classes!);
    }

    /// <summary>What unpacks to more than the first 16 MiB is read as long as its density is that of rows, and plain
    /// files whatever they hold.</summary>
    [Fact]
    public void LargeTablesAreRead()
    {
        var text = new StringBuilder("x,t\n");
        for (var row = 0; text.Length < BoundedGZipStream.Unsuspected * 5 / 4; row++)
            text.Append(System.Globalization.CultureInfo.InvariantCulture, $"{row * 0.37},{row % 7}\n");
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            gzip.Write(Encoding.UTF8.GetBytes(text.ToString()));
        packed.Position = 0;
        Assert.Equal(
            text.ToString().Count(c => c == '\n') - 1,
            CsvTable.Read(new CsvFile("f.csv", true, "t", null), packed).Rows
        );
        Assert.Equal(
            5 << 20,
            Read(new StringBuilder().Insert(0, "1,2\n", 5 << 20).ToString(), "1", header: false).Rows
        );
    }

    [Fact]
    public void BrokenGzipIsSaid()
    {
        using var stream = new MemoryStream([0x1F, 0x8B, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        Assert.Contains(
            "gzip",
            Assert.Throws<DataException>(() => CsvTable.Read(new CsvFile("f.csv", true, "t", null), stream)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void TheKeysAreReadAndWrittenBack()
    {
        File.WriteAllText(Path.Combine(folder.FullName, "rows.csv"), "x,y,t\n1,2,3\n4,5,6\n");
        var run = RunFile.Read(
            Path.Combine(folder.FullName, "run.yaml"),
            Yaml("file: rows.csv, target: [t, x]", units: 2),
            []
        );
        Assert.Equal((1, 2), (run.Table.Features, run.Table.TargetColumns));
        RunFileTests.AssertReadsBackEqual(run);
    }

    [Theory]
    [InlineData("file: rows.csv", "data.target: is missing")]
    [InlineData("target: t", "data.file: is missing")]
    [InlineData("file: rows.csv, target: [t, t]", "names a column twice")]
    [InlineData("file: rows.csv, target: [t, x], classes: 2", "one column holds the class, but 2 targets are named")]
    [InlineData("file: rows.csv, target: t, classes: 1", "data.classes: got '1'")]
    [InlineData("file: rows.csv, target: t, images: x", "unknown key 'data.images'")]
    [InlineData("file: rows.csv, target: { a: b }", "data.target: got a group of keys")]
    public void AWrongKeyIsNamed(string keys, string says)
    {
        File.WriteAllText(Path.Combine(folder.FullName, "rows.csv"), "x,y,t\n1,2,3\n4,5,6\n");
        var error = Assert.Throws<RunFileException>(() =>
            RunFile.Read(Path.Combine(folder.FullName, "run.yaml"), Yaml(keys, 1), [])
        );
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    private static string Yaml(string keys, int units) =>
        $"version: 1\ndata: {{ source: csv, {keys} }}\nmodel: {{ layers: [ {{ units: {units}, activation: identity "
        + $"}} ], loss: mean_squared_error }}\noptimizer: {{ kind: sgd, learning_rate: 0.1 }}\ntraining: {{ "
        + $"epochs: 1 }}\n";

    private static Table Read(string text, string targets, bool header = true, int? classes = null)
    {
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(text));
        return CsvTable.Read(new CsvFile("f.csv", header, targets, classes), stream);
    }
}
