using System.Buffers.Binary;
using System.IO.Compression;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Core.Data;
using CsCheck;

namespace BackpropCluster.Tests.Data;

/// <summary>IDX files, plain and packed, good ones and ones that lie.</summary>
public sealed class IdxReaderTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-idx-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void WhatIsWrittenReadsBackPlainAndPacked() =>
        Gen.Select(Gen.Int[1, 4].Array[1, 4], Gen.Bool)
            .Sample(
                (shape, packed) =>
                {
                    var values = Enumerable
                        .Range(0, shape.Aggregate(1, (a, b) => a * b))
                        .Select(i => (byte)(i * 7))
                        .ToArray();
                    var (readShape, read) = Read(Idx(values, shape.Select(d => (uint)d).ToArray()), packed);
                    return readShape.SequenceEqual(shape) && read.SequenceEqual(values);
                },
                iter: 300
            );

    public static TheoryData<byte[], string> Broken() =>
        new()
        {
            { [], "ends within its header" },
            { [0, 0, 8], "ends within its header" },
            { [0, 0, 8, 1, 0, 0], "ends within its header" },
            { [1, 0, 8, 1, 0, 0, 0, 1, 9], "begins with 01000801" },
            { [0, 1, 8, 1, 0, 0, 0, 1, 9], "begins with 00010801" },
            { "P5\n28"u8.ToArray(), "expected 0000" },
            { [0, 0, 0x0D, 1, 0, 0, 0, 1, 9], "type 0D, expected 08" },
            { [0, 0, 8, 0], "got 0 dimensions" },
            { [0, 0, 8, 5], "got 5 dimensions" },
            { [0, 0, 8, 1, 0, 0, 0, 0], "dimension 1 is 0" },
            { [0, 0, 8, 1, 0x80, 0, 0, 0], "dimension 1 is 2147483648" },
            { [0, 0, 8, 1, 0xFF, 0xFF, 0xFF, 0xFF], "dimension 1 is 4294967295" },
            { [0, 0, 8, 2, 0, 1, 0, 0, 0, 1, 0, 0], "dimension 2 is 65536" },
            { [0, 0, 8, 3, 0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1], "dimension 1 is 2147483647" },
            { [0, 0, 8, 1, 0, 0, 0, 2, 9], "ends after 1 of 2 values" },
            { [0, 0, 8, 1, 0x3F, 0xFF, 0xFF, 0xFF, 9], "ends after 1 of 1073741823 values" },
            { [0, 0, 8, 1, 0, 0, 0, 1, 9, 9], "more bytes follow the 1 values" },
        };

    [Theory, MemberData(nameof(Broken))]
    public void ABrokenFileIsOneClearErrorAndCostsNoMemory(byte[] bytes, string says)
    {
        foreach (var packed in new[] { false, true })
        {
            if (packed && bytes.Length == 0)
                continue;
            var before = GC.GetAllocatedBytesForCurrentThread();
            var error = Assert.Throws<DataException>(() => Read(bytes, packed));
            Assert.True(
                GC.GetAllocatedBytesForCurrentThread() - before < 16 << 20,
                "memory was allocated for values that never came"
            );
            Assert.StartsWith("pictures.idx: ", error.Message, StringComparison.Ordinal);
            Assert.Contains(says, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void EveryTruncationIsFound()
    {
        var whole = Idx([1, 2, 3, 4, 5, 6], 2, 3);
        for (var length = 0; length < whole.Length; length++)
            Assert.Throws<DataException>(() => Read(whole[..length], packed: false));
        var gzip = Pack(whole);
        // The last bytes of a packed file hold no values: without them the reader may say so or not, but it must not
        // give fewer.
        for (var length = 1; length < gzip.Length; length++)
        {
            try
            {
                Assert.Equal(
                    [1, 2, 3, 4, 5, 6],
                    IdxReader.Read("pictures.idx", new MemoryStream(gzip[..length])).Values
                );
                Assert.True(length > gzip.Length - 12, $"{length} of {gzip.Length} bytes were enough");
            }
            catch (DataException)
            {
                Assert.True(length < gzip.Length);
            }
        }
    }

    /// <summary>A gigabyte of zeros in a megabyte of gzip, behind a header of one value.</summary>
    [Fact]
    public void AGzipBombIsStoppedAtTheFirstByteTooMany()
    {
        using var bomb = new MemoryStream();
        using (var gzip = new GZipStream(bomb, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(Idx([7], 1));
            var zeros = new byte[1 << 20];
            for (var i = 0; i < 256; i++)
                gzip.Write(zeros);
        }

        bomb.Position = 0;
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains(
            "more bytes follow",
            Assert.Throws<DataException>(() => IdxReader.Read("bomb.gz", bomb)).Message,
            StringComparison.Ordinal
        );
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
    }

    [Fact]
    public void ARunFileTakesFourFilesRelativeToItself()
    {
        Write("i.gz", Pack(Idx([0, 255, 10, 20, 30, 40], 3, 2)));
        Write("l", Idx([0, 1, 2], 3));
        Write("ti", Idx([255, 0], 1, 2));
        Write("tl", Idx([1], 1));
        var run = ReadRun("images: i.gz, labels: l, test_images: ti, test_labels: tl, scale: minmax");
        Assert.Equal((4, 1, 3, 2), (run.Table.Rows, run.Table.TestRows, run.Table.ClassCount, run.Table.Features));
        var data = Dataset.Prepare(run.Table, run.Spec.Data, 1, 3);
        Assert.Equal((3, 1), (data.Training.Count, data.Test.Count));
        // Scaled by the training rows, 0 … 30 and 20 … 255: the test row falls outside, and stays there.
        Assert.Equal([255 / 30.0, -20 / 235.0], data.Test.Inputs([0]));
        Assert.Equal([0, 1, 0], data.Test.Target(0).ToArray());
        Assert.Equal(
            run.Spec,
            RunFile.Read(Path.Combine(folder.FullName, "r.yaml"), run.ToYaml(), []).Spec with
            {
                Model = run.Spec.Model,
            }
        );
    }

    [Theory]
    [InlineData("labels: l", "images: is missing")]
    [InlineData("images: i", "labels: is missing")]
    [InlineData("images: i, labels: l, test_images: i", "belong together")]
    [InlineData("images: i, labels: l, file: x", "unknown key 'data.file'")]
    [InlineData("images: i, labels: l, test_images: i, test_labels: l, test: 0.5", "beside test_images")]
    [InlineData("images: i, labels: l, batch: 3", "got 3 rows, but only 2")]
    public void AWrongKeyIsAMatterOfTheRunFile(string keys, string says)
    {
        Write("i", Idx([0, 1, 2, 3], 2, 2));
        Write("l", Idx([0, 2], 2));
        Assert.Contains(says, Assert.Throws<RunFileException>(() => ReadRun(keys)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("images: nowhere, labels: l", "cannot be read")]
    [InlineData("images: l, labels: l", "got 1 dimension, expected rows of values")]
    [InlineData("images: i, labels: i", "got 2 dimensions, expected 1")]
    [InlineData("images: i, labels: l3", "got 3 labels for 2 images")]
    [InlineData("images: i, labels: l, test_images: i3, test_labels: l", "rows of 3 values")]
    public void AWrongFileIsAMatterOfTheData(string keys, string says)
    {
        Write("i", Idx([0, 1, 2, 3], 2, 2));
        Write("i3", Idx([0, 1, 2, 3, 4, 5], 2, 3));
        Write("l", Idx([0, 2], 2));
        Write("l3", Idx([0, 2, 1], 3));
        Assert.Contains(says, Assert.Throws<DataException>(() => ReadRun(keys)).Message, StringComparison.Ordinal);
    }

    private RunFile ReadRun(string keys) =>
        RunFile.Read(
            Path.Combine(folder.FullName, "r.yaml"),
            $$"""
            version: 1
            data: { source: idx, {{keys}} }
            model: { layers: [{ units: 3, activation: identity }], loss: cross_entropy }
            optimizer: { kind: sgd, learning_rate: 1 }
            training: { epochs: 1 }
            """,
            []
        );

    private void Write(string name, byte[] bytes) => File.WriteAllBytes(Path.Combine(folder.FullName, name), bytes);

    private static (int[] Shape, byte[] Values) Read(byte[] bytes, bool packed) =>
        IdxReader.Read("pictures.idx", new MemoryStream(packed ? Pack(bytes) : bytes));

    private static byte[] Idx(byte[] values, params uint[] shape)
    {
        var bytes = new byte[4 + 4 * shape.Length + values.Length];
        (bytes[2], bytes[3]) = (8, (byte)shape.Length);
        for (var d = 0; d < shape.Length; d++)
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(4 + 4 * d), shape[d]);
        values.CopyTo(bytes, 4 + 4 * shape.Length);
        return bytes;
    }

    private static byte[] Pack(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            gzip.Write(bytes);
        return packed.ToArray();
    }
}
