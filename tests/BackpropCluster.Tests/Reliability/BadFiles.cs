using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using BackpropCluster.Tests.Data;
using BackpropCluster.Tests.Layout;
using BackpropCluster.Tests.RunFiles;

namespace BackpropCluster.Tests.Reliability;

/// <summary>Every bad file of this project's tests, as a user would hand it to a command.</summary>
internal static class BadFiles
{
    private const int Usage = 2;
    private const int File = 6;
    private const string Tail = "optimizer: { kind: sgd, learning_rate: 0.1 }\ntraining: { epochs: 1 }\n";
    private static readonly byte[] TwoLabels = [0, 0, 8, 1, 0, 0, 0, 2, 0, 1];

    public static IEnumerable<BadFile> All() =>
        [.. RunFiles(), .. Csv(), .. Idx(), .. Safetensors(), .. Bombs(), .. BadSchedules.Files()];

    // A byte-order mark at a file's beginning is no part of its text.
    private static IEnumerable<BadFile> RunFiles() =>
        [
            .. BadRunFileTests
                .Changes()
                .Select(row => row.Data)
                .Where(row => row.Item3.Length > 0 && !row.Item2.StartsWith('\uFEFF'))
                .Select(row =>
                    RunFile(
                        $"'{row.Item2}' for '{row.Item1}'",
                        BadRunFileTests.Good.Replace(row.Item1, row.Item2, StringComparison.Ordinal),
                        row.Item3
                    )
                ),
            .. HugeRunFileTests.Megabytes().Select(row => RunFile($"a megabyte of {row.Data.Item1}", row.Data.Item2)),
            RunFile("nothing", "", "the run file is empty"),
            RunFile("another language", "{\"version\": 1, \"name\": ", "not valid YAML"),
            RunFile(
                "the characters of a picture",
                Encoding.Latin1.GetString([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]),
                "character U+"
            ),
            new(
                "a run file that is not there",
                Usage,
                ["cannot be read"],
                folder => ["config", "check", Path.Combine(folder, "nowhere.yaml")]
            ),
            new("a folder for a run file", Usage, ["cannot be read"], folder => ["config", "check", folder]),
            new(
                "four gigabytes of nothing",
                Usage,
                ["characters"],
                folder => Check(folder, ("r.yaml", stream => stream.SetLength(4L << 30)))
            ),
        ];

    private static IEnumerable<BadFile> Csv() =>
        [
            .. CsvTableTests
                .Broken()
                .Select(row => row.Data)
                .Select(row => CsvFile(row.Item1, Encoding.UTF8.GetBytes(row.Item1), row.Item2, row.Item3, row.Item4)),
            .. CsvTableTests
                .Broken()
                .Select(row => row.Data)
                .Where(row => row.Item1.Length > 0)
                .Select(row =>
                    CsvFile(
                        $"packed: {row.Item1}",
                        Pack(Encoding.UTF8.GetBytes(row.Item1)),
                        row.Item2,
                        row.Item3,
                        row.Item4
                    )
                ),
            CsvFile("gzip that is cut", Pack("x,t\n1,2\n3,4\n"u8.ToArray())[..20], "t", null, "f.csv"),
            CsvFile("gzip that is none", [0x1F, 0x8B, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "t", null, "gzip"),
            new(
                "a table that is not there",
                File,
                ["cannot be read"],
                folder => Check(folder, Text("r.yaml", CsvRun("t", null)))
            ),
        ];

    private static IEnumerable<BadFile> Idx() =>
        [
            .. IdxReaderTests
                .Broken()
                .Select(row => row.Data)
                .Select(row => IdxFile(Convert.ToHexString(row.Item1), row.Item1, row.Item2)),
            .. IdxReaderTests
                .Broken()
                .Select(row => row.Data)
                .Where(row => row.Item1.Length > 0)
                .Select(row => IdxFile($"packed: {Convert.ToHexString(row.Item1)}", Pack(row.Item1), row.Item2)),
        ];

    private static IEnumerable<BadFile> Safetensors() =>
        [
            .. SafetensorsTests
                .Hostile()
                .Select(row => row.Data)
                .Select(row =>
                    TensorFile(
                        row.Item1,
                        stream => stream.Write(Framed(Encoding.UTF8.GetBytes(row.Item1), row.Item2)),
                        row.Item3
                    )
                ),
            .. new (ulong Length, string Says)[]
            {
                (1UL << 63, "a header of 9223372036854775808 bytes"),
                (ulong.MaxValue, "a header of 18446744073709551615 bytes"),
                (1UL << 20, "but only 2 follow"),
                ((1UL << 20) + 1, "expected 2 to 1048576"),
            }.Select(row =>
                TensorFile(
                    string.Create(CultureInfo.InvariantCulture, $"a header of {row.Length}"),
                    stream => stream.Write(Announced(row.Length)),
                    row.Says
                )
            ),
            TensorFile("nothing", _ => { }, "0 bytes are too few"),
            TensorFile(
                "ten thousand tensors of no size",
                stream =>
                    stream.Write(
                        Framed(
                            Encoding.UTF8.GetBytes(
                                "{"
                                    + string.Join(',', Enumerable.Range(0, 10_000).Select(i => $"\"t{i}\":{Nothing}"))
                                    + "}"
                            ),
                            0
                        )
                    ),
                "holds no tensor layers.0.weight"
            ),
            TensorFile(
                "four gigabytes of another shape",
                stream =>
                {
                    stream.Write(
                        Framed(
                            """{"layers.0.weight":{"dtype":"F64","shape":[536870912],"data_offsets":[0,4294967296]}}"""u8.ToArray(),
                            0
                        )
                    );
                    stream.SetLength(stream.Length + (4L << 30));
                },
                "layers.0.weight has the shape [536870912], the layer needs [2, 2]"
            ),
            TensorFile(
                "a zero among dimensions of 2⁶²",
                stream =>
                    stream.Write(
                        Framed(
                            """{"a":{"dtype":"F64","shape":[4611686018427387904,4611686018427387904,0],"data_offsets":[0,0]}}"""u8.ToArray(),
                            0
                        )
                    ),
                ""
            ),
        ];

    /// <summary>Small files that would be large in memory.</summary>
    private static IEnumerable<BadFile> Bombs() =>
        [
            IdxFile(
                "a quarter of a gigabyte behind a header of one value",
                Bomb([0, 0, 8, 1, 0, 0, 0, 1], [0]),
                "more bytes follow"
            ),
            IdxFile(
                "as many values as its header says, a quarter of a gigabyte",
                Bomb([0, 0, 8, 2, 0, 0, 0x40, 0, 0, 0, 0x40, 0], [0]),
                "times"
            ),
            IdxFile(
                "fewer values than its header says, a quarter of a gigabyte",
                Bomb([0, 0, 8, 2, 0, 0, 0x80, 0, 0, 0, 0x80, 0], [0]),
                "times"
            ),
            CsvFile(
                "one field without end",
                Bomb("x,t\n"u8.ToArray(), "aaaa"u8.ToArray()),
                "t",
                null,
                "a field has more than"
            ),
            CsvFile("blank lines without end", Bomb("x,t\n"u8.ToArray(), "\n\n\n\n"u8.ToArray()), "t", null, ""),
            CsvFile(
                "one row without end",
                Bomb("x,t\n"u8.ToArray(), "1,1,"u8.ToArray()),
                "t",
                null,
                "f.csv:2: the row goes on after 2 fields, the first record has 2"
            ),
            CsvFile(
                "a first row without end",
                Bomb([], "a,b,"u8.ToArray()),
                "t",
                null,
                "f.csv:1: the first record goes on after 1048576 fields"
            ),
            CsvFile("one row sixty million times", Bomb("x,t\n"u8.ToArray(), "1,2\n"u8.ToArray()), "t", null, "times"),
            CsvFile("quotes without end", Bomb("x,t\n"u8.ToArray(), "\"\"\"\""u8.ToArray()), "t", null, ""),
        ];

    private static BadFile RunFile(string name, string text, params string[] says) =>
        new($"run file: {name}", Usage, says, folder => Check(folder, Text("r.yaml", text)));

    private static BadFile CsvFile(string name, byte[] bytes, string target, int? classes, string says) =>
        new(
            $"csv: {name}",
            File,
            [says],
            folder => Check(folder, Text("r.yaml", CsvRun(target, classes)), ("f.csv", stream => stream.Write(bytes)))
        );

    private const string Nothing = """{"dtype":"F64","shape":[0],"data_offsets":[0,0]}""";

    private static string CsvRun(string target, int? classes) =>
        $"version: 1\ndata: {{ source: csv, file: f.csv, target: "
        + $"\"{target}\"{(classes is { } count ? $", classes: {count}" : "")} "
        + $"}}\nmodel: {{ layers: [ {{ units: {classes ?? 1}, activation: identity }} ], loss: "
        + $"mean_squared_error }}\n{Tail}";

    private static BadFile IdxFile(string name, byte[] bytes, string says) =>
        new(
            $"idx: {name}",
            File,
            [says],
            folder =>
                Check(
                    folder,
                    Text(
                        "r.yaml",
                        $"version: 1\ndata: {{ source: idx, images: i, labels: l }}\nmodel: {{ layers: [ {{ units: "
                            + $"2, activation: identity }} ], loss: cross_entropy }}\n{Tail}"
                    ),
                    ("i", stream => stream.Write(bytes)),
                    ("l", stream => stream.Write(TwoLabels))
                )
        );

    private static BadFile TensorFile(string name, Action<Stream> write, string says) =>
        new(
            $"safetensors: {name[..Math.Min(80, name.Length)]}",
            File,
            [says],
            folder =>
                Check(
                    folder,
                    Text(
                        "r.yaml",
                        $"version: 1\ndata: {{ source: xor }}\nmodel: {{ layers: [ {{ units: 2, activation: tanh, "
                            + $"init: {{ file: m.safetensors }} }}, {{ units: 1, activation: logistic }} ], loss: "
                            + $"half_squared_error }}\n{Tail}"
                    ),
                    ("m.safetensors", write)
                )
        );

    private static string[] Check(string folder, params (string Name, Action<Stream> Write)[] files)
    {
        foreach (var (name, write) in files)
        {
            using var stream = System.IO.File.Create(Path.Combine(folder, name));
            write(stream);
        }

        return ["config", "check", Path.Combine(folder, "r.yaml")];
    }

    private static (string, Action<Stream>) Text(string name, string text) =>
        (name, stream => stream.Write(Encoding.UTF8.GetBytes(text)));

    private static byte[] Announced(ulong length)
    {
        var bytes = new byte[10];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        return bytes;
    }

    private static byte[] Framed(byte[] header, int dataBytes) =>
        [.. Announced((ulong)header.Length).AsSpan(0, 8), .. header, .. new byte[dataBytes]];

    private static byte[] Pack(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            gzip.Write(bytes);
        return packed.ToArray();
    }

    // A beginning, and a quarter of a gigabyte of one pattern.
    private static byte[] Bomb(byte[] beginning, byte[] pattern)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Optimal, leaveOpen: true))
        {
            gzip.Write(beginning);
            var block = new byte[1 << 20];
            for (var i = 0; i < block.Length; i++)
                block[i] = pattern[i % pattern.Length];
            for (var i = 0; i < 256; i++)
                gzip.Write(block);
        }

        return packed.ToArray();
    }
}
