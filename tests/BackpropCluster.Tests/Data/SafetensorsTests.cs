using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Core.Data;
using BackpropCluster.Tests.RunFiles;
using CsCheck;

namespace BackpropCluster.Tests.Data;

/// <summary>safetensors files, sound ones and ones that lie.</summary>
public sealed class SafetensorsTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-safetensors-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void WhatIsWrittenReadsBackBitForBit() =>
        Gen
            .Double.Array[0, 40]
            .Sample(
                values =>
                {
                    var written = new[]
                    {
                        new Tensor("a", [values.Length], values),
                        new Tensor("z.é", [1, 3], [-0.0, double.NaN, double.NegativeInfinity]),
                    };
                    var read = Read(Written(written));
                    return read.Count == 2
                        && Enumerable
                            .Range(0, 2)
                            .All(i =>
                                read[i].Name == written[i].Name
                                && read[i].Shape.SequenceEqual(written[i].Shape)
                                && MemoryMarshal
                                    .AsBytes<double>(read[i].Values)
                                    .SequenceEqual(MemoryMarshal.AsBytes<double>(written[i].Values))
                            );
                },
                iter: 200
            );

    [Theory, InlineData(1 << 20), InlineData((2 << 20) + 3)]
    public void ManyValuesReadBackInTheirOrder(int count)
    {
        var values = new double[count];
        for (var i = 0; i < count; i++)
            values[i] = i;
        var read = Read(Written(new Tensor("a", [count], values), new Tensor("b", [1], [-1])));
        Assert.True(values.AsSpan().SequenceEqual(read[0].Values));
        Assert.Equal([-1], read[1].Values);
    }

    // Byte by byte as the format's description says: length, header, values. Values begin at a multiple of eight.
    [Fact]
    public void TheBytesAreThoseOfTheFormat()
    {
        var bytes = Written(new Tensor("w", [1, 2], [1, -2]));
        const string Header = """{"w":{"dtype":"F64","shape":[1,2],"data_offsets":[0,16]}}""";
        var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        Assert.Equal(0, length % 8);
        Assert.Equal(Header, Encoding.UTF8.GetString(bytes, 8, length).TrimEnd(' '));
        Assert.Equal("000000000000F03F00000000000000C0", Convert.ToHexString(bytes.AsSpan(8 + length)));
    }

    [Fact]
    public void TruncatedAnywhereItIsRefused()
    {
        var whole = Written(new Tensor("a", [2], [1, 2]), new Tensor("b", [1], [3]));
        for (var length = 0; length < whole.Length; length++)
            Assert.Throws<DataException>(() => Read(whole[..length]));
        Assert.Throws<DataException>(() => Read([.. whole, 0]));
    }

    // A flipped bit of a value is a value; one of the header either is refused or still describes every byte of the
    // file.
    [Fact]
    public void WithAnyBitFlippedItIsRefusedOrStillWellFormed()
    {
        var whole = Written(new Tensor("a", [2], [1, 2]), new Tensor("b", [1], [3]));
        var refused = 0;
        for (var bit = 0; bit < whole.Length * 8; bit++)
        {
            byte[] flipped = [.. whole];
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            try
            {
                Assert.Equal(3, Read(flipped).Sum(t => t.Values.Length));
            }
            catch (DataException)
            {
                refused++;
            }
        }

        Assert.True(refused > whole.Length, $"{refused} of {whole.Length * 8} flips were refused");
    }

    private const string One = """{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}""";

    public static TheoryData<string, int, string> Hostile() =>
        new()
        {
            { "", 0, "a header of 0 bytes" },
            { "[1, 2]", 0, "does not begin with '{'" },
            { "{\"a\":", 0, "not sound JSON" },
            { "{}x", 0, "not sound JSON" },
            { "{\"a\":1}", 0, "expected dtype, shape and data_offsets" },
            { One, 0, "take 8 bytes, the file has 0" },
            { One, 16, "take 8 bytes, the file has 16" },
            { One.Replace("F64", "F32"), 4, "is of type F32, expected F64" },
            { One.Replace("\"F64\"", "64"), 8, "is of type 64, expected F64" },
            { One.Replace("[1]", "[2]"), 8, "8 bytes for shape [2]" },
            { One.Replace("[1]", "[-1]"), 8, "not a list of whole numbers" },
            { One.Replace("[1]", "[1.5]"), 8, "not a list of whole numbers" },
            { One.Replace("[1]", "[2147483648, 2147483648, 4]"), 8, "8 bytes for shape" },
            { One.Replace("[1]", "[4294967296, 4294967296]"), 8, "8 bytes for shape" },
            {
                One.Replace("[1]", "[9223372036854775807, 9223372036854775807, 9223372036854775807]"),
                8,
                "8 bytes for shape"
            },
            { One.Replace("[1]", "[18446744073709551617]"), 8, "not a list of whole numbers" },
            { One.Replace("[0,8]", "[8,0]"), 8, "not two whole numbers in order" },
            { One.Replace("[0,8]", "[0]"), 8, "not two whole numbers in order" },
            { One.Replace("[0,8]", "[8,16]"), 16, "with a hole after" },
            {
                One.Replace("[0,8]", "[0,9223372036854775800]").Replace("[1]", "[1152921504606846975]"),
                8,
                "more than one array can hold"
            },
            {
                One.Replace("}}", "},\"b\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}"),
                8,
                "inside of the one before"
            },
            {
                One.Replace("}}", "},\"b\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[4,12]}}"),
                12,
                "inside of the one before"
            },
            {
                One.Replace("}}", "},\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[8,16]}}"),
                16,
                "not sound JSON"
            },
            { One.Replace("}}", ",\"more\":1}}"), 8, "and nothing else" },
            { One.Replace("[1]", "[[[[[1]]]]]"), 8, "not sound JSON" },
            { "{\"__metadata__\":{\"k\":1}}", 0, "metadata are not an object of texts" },
            { "{\"__metadata__\":[]}", 0, "metadata are not an object of texts" },
            { One.Replace("\"a\"", "\"\\u001b[31m\"").Replace("F64", "BF16"), 2, "tensor '?[31m' is of type BF16" },
        };

    [Theory, MemberData(nameof(Hostile))]
    public void AHostileHeaderIsOneError(string header, int dataBytes, string says) =>
        AssertRefused(Framed(Encoding.UTF8.GetBytes(header), dataBytes), says);

    [Theory]
    [InlineData(1UL << 63, "a header of 9223372036854775808 bytes")]
    [InlineData(ulong.MaxValue, "a header of 18446744073709551615 bytes")]
    [InlineData(1UL << 20, "but only 2 follow")]
    [InlineData((1UL << 20) + 1, "expected 2 to 1048576")]
    public void AHugeHeaderIsRefusedBeforeAllocation(ulong length, string says)
    {
        var bytes = new byte[10];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        var before = GC.GetAllocatedBytesForCurrentThread();
        AssertRefused(bytes, says);
        Assert.True(
            GC.GetAllocatedBytesForCurrentThread() - before < 1 << 19,
            "memory was allocated for a header that was refused"
        );
    }

    [Fact]
    public void AHeaderThatIsNotUtf8IsRefused() =>
        AssertRefused(Framed([(byte)'{', 0xFF, 0xFE, (byte)'}'], 0), "not sound JSON");

    [Fact]
    public void AnEmptyFileIsRefused() => AssertRefused([], "0 bytes are too few");

    [Fact]
    public void ALayerBeginsWithTheFilesParameters()
    {
        Save(
            "m.safetensors",
            new Tensor("layers.0.weight", [2, 2], [1, 2, 3, 4]),
            new Tensor("layers.0.bias", [2], [5, -0.0])
        );
        var run = ReadRun("m.safetensors");
        var layer = run.Spec.Model.Layers[0];
        Assert.Equal(
            [1.0, 2, 3, 4],
            from o in Enumerable.Range(0, 2)
            from i in Enumerable.Range(0, 2)
            select layer.InitialWeight(1, 1, 2, o, i)
        );
        Assert.Equal((5.0, -0.0), (layer.InitialBias(1, 0), layer.InitialBias(1, 1)));
        var back = RunFile.Read("run.yaml", run.ToYaml(), []);
        Assert.Equal(layer.Given!.File, back.Spec.Model.Layers[0].Given!.File);
        Assert.Equal(layer.Given.Weights, back.Spec.Model.Layers[0].Given!.Weights.AsEnumerable());
    }

    [Fact]
    public void AFileThatDoesNotFitIsOneError()
    {
        Save("other.safetensors", new Tensor("layers.1.weight", [2, 2], [1, 2, 3, 4]));
        AssertUnfit("other.safetensors", "holds no tensor layers.0.weight");
        Save(
            "shape.safetensors",
            new Tensor("layers.0.weight", [2, 3], [1, 2, 3, 4, 5, 6]),
            new Tensor("layers.0.bias", [2], [5, 6])
        );
        AssertUnfit("shape.safetensors", "layers.0.weight has the shape [2, 3], the layer needs [2, 2]");
        Save(
            "nan.safetensors",
            new Tensor("layers.0.weight", [2, 2], [1, 2, 3, 4]),
            new Tensor("layers.0.bias", [2], [5, double.NaN])
        );
        AssertUnfit("nan.safetensors", "layers.0.bias holds NaN at index 1");
        AssertUnfit("absent.safetensors", "cannot be read");
        Assert.Contains(
            "unknown key 'model.layers[0].init.path'",
            Assert.Throws<RunFileException>(() => ReadRun("x", key: "path")).Message,
            StringComparison.Ordinal
        );
    }

    /// <summary>Weights of four gibibytes for a layer that needs four numbers, biases of as much, and other tensors as
    /// large beside the right ones.</summary>
    [Theory]
    [InlineData("weight", "layers.0.weight has the shape [536870912], the layer needs [2, 2]")]
    [InlineData("bias", "layers.0.bias has the shape [536870912], the layer needs [2]")]
    [InlineData("more", "")]
    public void NoMemoryIsTakenForWhatDoesNotFit(string large, string says)
    {
        const long Values = 1L << 29;
        var (tensors, end) = (new List<string>(), 0L);
        foreach (var (name, shape, count) in new[] { ("weight", "2,2", 4L), ("bias", "2", 2), ("more", "1", 1) })
        {
            var size = (name == large ? Values : count) * sizeof(double);
            tensors.Add(
                $$"""{{'"'}}layers.0.{{name}}":{"dtype":"F64","shape":[{{(name == large ? $"{Values}" : shape)}}],"data_offsets":[{{end}},{{end += size}}]}"""
            );
        }

        using (var file = File.Create(Path.Combine(folder.FullName, "large.safetensors")))
        {
            file.Write(Framed(Encoding.UTF8.GetBytes($"{{{string.Join(',', tensors)}}}"), 0));
            file.SetLength(file.Length + end);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        if (says.Length > 0)
            AssertUnfit("large.safetensors", says);
        else
            Assert.Equal(
                [0.0, 0, 0, 0],
                ReadRun("large.safetensors").Spec.Model.Layers[0].Given!.Weights.AsEnumerable()
            );
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4 << 20);
    }

    private void AssertUnfit(string file, string says) =>
        Assert.Contains(says, Assert.Throws<DataException>(() => ReadRun(file)).Message, StringComparison.Ordinal);

    private RunFile ReadRun(string file, string key = "file") =>
        RunFile.Read(
            Path.Combine(folder.FullName, "run.yaml"),
            $"version: 1\ndata: {{ source: xor }}\nmodel: {{ layers: [ {{ units: 2, activation: tanh, init: {{ "
                + $"{key}: {file} }} }}, {{ units: 1, activation: logistic }} ], loss: half_squared_error "
                + $"}}\noptimizer: {{ kind: sgd, learning_rate: 0.1 }}\ntraining: {{ epochs: 1 }}\n",
            []
        );

    private void Save(string file, params Tensor[] tensors) =>
        File.WriteAllBytes(Path.Combine(folder.FullName, file), Written(tensors));

    private static byte[] Written(params Tensor[] tensors)
    {
        using var stream = new MemoryStream();
        Safetensors.Write(stream, tensors);
        return stream.ToArray();
    }

    private static byte[] Framed(byte[] header, int dataBytes)
    {
        var bytes = new byte[8 + header.Length + dataBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)header.Length);
        header.CopyTo(bytes, 8);
        return bytes;
    }

    private static IReadOnlyList<Tensor> Read(byte[] bytes)
    {
        using var stream = new MemoryStream(bytes);
        return Safetensors.Read("m.safetensors", stream);
    }

    private static void AssertRefused(byte[] bytes, string says)
    {
        var error = Assert.Throws<DataException>(() => Read(bytes));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }
}
