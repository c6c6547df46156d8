using System.Buffers;
using System.Text;
using BackpropCluster.Core.Data;
using BackpropCluster.Grains.Data;
using CsCheck;

namespace BackpropCluster.Tests.Data;

/// <summary>Records and fields of RFC 4180: what the reader finds in text, and what it refuses.</summary>
public sealed class CsvReaderTests
{
    private static readonly SearchValues<char> NeedsQuotes = SearchValues.Create(" ,\"\r\n\uFEFF");

    /// <summary>The first six are the rules of RFC 4180, section 2, in their order, with its own examples.</summary>
    [Theory]
    [InlineData("aaa,bbb,ccc\r\nzzz,yyy,xxx\r\n", "aaa|bbb|ccc / zzz|yyy|xxx")]
    [InlineData("aaa,bbb,ccc\r\nzzz,yyy,xxx", "aaa|bbb|ccc / zzz|yyy|xxx")]
    [InlineData("field_name,field_name\r\naaa,bbb\r\n", "field_name|field_name / aaa|bbb")]
    [InlineData("\"aaa\",\"bbb\",\"ccc\"\r\nzzz,yyy,xxx", "aaa|bbb|ccc / zzz|yyy|xxx")]
    [InlineData("\"aaa\",\"b\r\nbb\",\"ccc\"\r\nzzz,yyy,xxx", "aaa|b\r\nbb|ccc / zzz|yyy|xxx")]
    [InlineData("\"aaa\",\"b\"\"bb\",\"ccc\"", "aaa|b\"bb|ccc")]
    [InlineData("a,b\n1,2\n", "a|b / 1|2")]
    [InlineData("a,b\r1,2\r", "a|b / 1|2")]
    [InlineData("a,b\r\r\n\n1,2\n\r\n", "a|b / 1|2")]
    [InlineData("\n\r\n\na\n\n\nb\n\n", "a / b")]
    [InlineData("\"\"\nb", " / b")]
    [InlineData(",\n,", "| / |")]
    [InlineData(" a , b c \n \" d \" ,\"\"", "a|b c /  d |")]
    [InlineData("\"\"\"\",\"\"\"a\"\"\",\",\"", "\"|\"a\"|,")]
    [InlineData("\"a\rb\nc\"", "a\rb\nc")]
    [InlineData("\uFEFFa\nb", "a / b")]
    [InlineData("\uFEFF\"a\"\nb", "a / b")]
    [InlineData("a\n\uFEFFb", "a / \uFEFFb")]
    [InlineData("ä,€,😀\n", "ä|€|😀")]
    [InlineData("", "")]
    [InlineData("\uFEFF", "")]
    [InlineData("\r\n\n", "")]
    public void ATextHasTheseRecords(string text, string records) =>
        Assert.All(
            Streams(Encoding.UTF8.GetBytes(text)),
            stream => Assert.Equal(records, string.Join(" / ", Read(stream).Select(r => string.Join('|', r))))
        );

    [Theory]
    [InlineData("a,5\" disk", "f.csv:1:4: a quote in a field without quotes")]
    [InlineData("a,b\n1,x\"2,3\"\n", "f.csv:2:4: a quote in a field without quotes")]
    [InlineData("a\n\"1\"2", "f.csv:2:4: text after a closing quote")]
    [InlineData("a\n\"1\" \"2\"", "f.csv:2:5: text after a closing quote")]
    [InlineData("a\n\n\"1\n\n", "f.csv:3: a quote is not closed")]
    [InlineData("a\n\"1\"\"", "f.csv:2: a quote is not closed")]
    [InlineData("a\n\"", "f.csv:2: a quote is not closed")]
    [InlineData("ä,b\0", "f.csv:1:4: a NUL, expected text")]
    [InlineData("a,b\n1\0,2", "f.csv:2:2: a NUL, expected text")]
    [InlineData("a\n\"1\r\n23\0\"", "f.csv:3:3: a NUL, expected text")]
    [InlineData("a,b\r\n\r\n1\r\n", "f.csv:3: got 1 fields, the first record has 2")]
    public void ABrokenRecordIsRefusedWithItsPlace(string text, string says) => AssertRefused(text, says);

    /// <summary>A row is read to its end and told with its length where the block reaches that far; where the block
    /// does not, no further one is read of it.</summary>
    [Theory]
    [InlineData("a\r1,2", "f.csv:2: ")]
    [InlineData("a\n\r\n\"1\",\"2\"\n", "f.csv:3: ")]
    [InlineData("\"a\rb\r\nc\nd\"\n1,2", "f.csv:5: ")]
    public void ARowThatIsTooLongIsRefusedWhetherOrNotItsEndIsSeen(string text, string place)
    {
        string[] says = ["got 2 fields, the first record has 1", "the row goes on after 1 fields"];
        Assert.All(
            Streams(Encoding.UTF8.GetBytes(text)).Zip(says),
            pair =>
                Assert.StartsWith(
                    place + pair.Second,
                    Assert.Throws<DataException>(() => Read(pair.First)).Message,
                    StringComparison.Ordinal
                )
        );
    }

    /// <summary>Of the test file of Markus Kuhn: continuation bytes alone, a sequence without end, an overlong slash, a
    /// surrogate, and bytes that cannot be; and a file in UTF-16 with its mark.</summary>
    [Theory]
    [InlineData(new byte[] { 0x80 })]
    [InlineData(new byte[] { 0xE2, 0x82 })]
    [InlineData(new byte[] { 0xC0, 0xAF })]
    [InlineData(new byte[] { 0xED, 0xA0, 0x80 })]
    [InlineData(new byte[] { 0xFE })]
    [InlineData(new byte[] { 0xFF, 0xFE, 0x61 })]
    public void BytesThatAreNoUtf8AreRefusedWithTheirPlace(byte[] bytes)
    {
        byte[] text = [.. "ä,b\n€,"u8, .. bytes];
        Assert.All(
            Streams(text),
            stream =>
                Assert.Contains(
                    "f.csv:2:3: the field is not UTF-8",
                    Assert.Throws<DataException>(() => Read(stream)).Message,
                    StringComparison.Ordinal
                )
        );
    }

    [Fact]
    public void AFieldMayHaveItsBoundAndNoByteMore()
    {
        var longest = new string('a', CsvReader.MaxFieldBytes - 2);
        Assert.Equal([longest, "b"], Assert.Single(Read($"\"{longest}\",b")));
        Assert.Equal([longest + "aa", "b"], Assert.Single(Read($"{longest}aa,b")));
        AssertRefused($"x,y\n\"{longest}a\",b", "f.csv:2: a field has more than 65536 bytes");
        AssertRefused($"x,y\n{longest}aaa,b", "f.csv:2: a field has more than 65536 bytes");
    }

    [Fact]
    public void ARecordMayHaveItsBoundAndNoByteMore()
    {
        // 2⁹ fields with as many commas, and what is left.
        var most = string.Concat(Enumerable.Repeat(new string('a', (1 << 15) - 1) + ",", 1 << 9))[..^1] + "b";
        Assert.Equal(CsvReader.MaxRecordBytes, most.Length);
        Assert.Equal(1 << 9, Assert.Single(Read(most + "\r\n")).Length);
        Assert.Contains(
            "f.csv:1: the record goes on after 16777216 bytes",
            Assert.Throws<DataException>(() => Read(most + "b\r\n")).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void AFirstRecordMayHaveItsBoundOfFieldsAndNoneMore()
    {
        var most = new string(',', CsvReader.MaxFields - 1);
        Assert.Equal(CsvReader.MaxFields, Assert.Single(Read(most)).Length);
        Assert.Contains(
            "f.csv:1: the first record goes on after 1048576 fields",
            Assert.Throws<DataException>(() => Read(most + ",")).Message,
            StringComparison.Ordinal
        );
    }

    /// <summary>Whichever way it is written: quotes where they must be or everywhere, each line break, with and without
    /// the last one, in blocks of any size.</summary>
    [Fact]
    public void AnyTableThatIsWrittenWithQuotesIsReadBack()
    {
        var field = Gen.OneOf("a", "7", " ", ",", "\"", "\n", "\r", "\r\n", "ä", "€", "😀", "\uFEFF", "\t", ";")
            .Array[0, 6]
            .Select(string.Concat);
        Gen.Int[1, 4]
            .SelectMany(columns => field.Array[columns].Array[1, 6])
            .Select(Gen.OneOf("\n", "\r\n", "\r"), Gen.Bool, Gen.Bool, Gen.Int[1, 9])
            .Sample(
                (table, lineBreak, everywhere, ends, blockBytes) =>
                {
                    var text = string.Join(lineBreak, table.Select(r => Written(r, everywhere)));
                    var bytes = Encoding.UTF8.GetBytes(text + (ends ? lineBreak : ""));
                    Assert.Equal(table, Read(new InBlocks(bytes, blockBytes)));
                },
                iter: 2_000
            );
    }

    // An empty record of one field and a mark in front of the first one are told from nothing by their quotes.
    private static string Written(string[] record, bool everywhere) =>
        string.Join(
            ',',
            record.Select(field =>
                everywhere || record is [""] || field.AsSpan().ContainsAny(NeedsQuotes)
                    ? $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\""
                    : field
            )
        );

    private static void AssertRefused(string text, string says) =>
        Assert.All(
            Streams(Encoding.UTF8.GetBytes(text)),
            stream =>
                Assert.StartsWith(
                    says,
                    Assert.Throws<DataException>(() => Read(stream)).Message,
                    StringComparison.Ordinal
                )
        );

    // What is found must not depend on where blocks end.
    private static List<Stream> Streams(byte[] bytes) => [new MemoryStream(bytes), new InBlocks(bytes, blockBytes: 1)];

    private static List<string[]> Read(string text) => Read(new MemoryStream(Encoding.UTF8.GetBytes(text)));

    private static List<string[]> Read(Stream stream)
    {
        var reader = new CsvReader("f.csv", stream);
        List<string[]> records = [];
        while (reader.Read())
            records.Add([.. Enumerable.Range(0, reader.Count).Select(reader.Text)]);
        return records;
    }

    private sealed class InBlocks(byte[] bytes, int blockBytes) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(blockBytes, buffer.Length)]);
    }
}
