using System.Text;
using System.Text.Unicode;
using BackpropCluster.Core.Data;

namespace BackpropCluster.Grains.Data;

/// <summary>The records of a CSV file (RFC 4180, UTF-8), one after the other, each byte looked at once.</summary>
/// <remarks>Records end with LF, CR LF or CR; empty lines are none. Spaces round a field, and a byte-order mark before
/// the first, are not part of it. Strict: a quote inside of a field without quotes, anything but spaces after a closing
/// quote, and a NUL are errors. Only the present record is kept, whole; it lasts until the next <see cref="Read"/>.
/// Bounds hold to the byte, wherever blocks end. Line numbers count the breaks inside of quotes.</remarks>
/// <param name="file">For errors.</param>
/// <param name="bytes">The file from its beginning; stays the caller's.</param>
internal sealed class CsvReader(string file, Stream bytes)
{
    /// <summary>The most bytes of a field, with its quotes and the spaces round it: 2¹⁶.</summary>
    public const int MaxFieldBytes = 1 << 16;

    /// <summary>The most fields of the first record: 2²⁰. Every other record has as many as the first.</summary>
    public const int MaxFields = 1 << 20;

    /// <summary>The most bytes of a record without its line break: 2²⁴.</summary>
    public const int MaxRecordBytes = 1 << 24;

    private const int EndOfFile = -1;

    private byte[] buffer = new byte[1 << 16];
    private int begin; // of the present record
    private int next;
    private int end;

    // Counted from the record's beginning, which moves to the buffer's when more is read.
    private Field[] fields = new Field[16];
    private int fieldBegin;
    private int? columns;
    private bool hasQuotes;

    /// <summary>Where the present record begins, from 1.</summary>
    public long Line { get; private set; } = 1;

    /// <summary>How many fields the present record has.</summary>
    public int Count { get; private set; }

    /// <summary>A field's bytes as they lie: without its quotes, doubled ones still doubled.</summary>
    public ReadOnlySpan<byte> this[int field] => buffer.AsSpan(begin + fields[field].Start, fields[field].Length);

    /// <returns><see langword="false"/> at the file's end.</returns>
    /// <exception cref="DataException">The record is broken, too long, or of another length than the first.</exception>
    public bool Read()
    {
        if (!SkipLineBreaks())
            return false;
        while (ReadField() == ',')
            next++;
        if (Count != (columns ??= Count))
            throw Broken($"got {Count} fields, the first record has {columns}", "Give every row as many.");
        return true;
    }

    /// <summary>A field's text; the only place where bytes have to be UTF-8, since numbers are ASCII.</summary>
    /// <exception cref="DataException">They are not.</exception>
    public string Text(int field)
    {
        if (!Utf8.IsValid(this[field]))
            throw new DataException(PlaceOf(field), "the field is not UTF-8", "Save the file as UTF-8.");
        var text = Encoding.UTF8.GetString(this[field]);
        return fields[field].IsQuoted ? text.Replace("\"\"", "\"", StringComparison.Ordinal) : text;
    }

    /// <summary>Where a field of the present record begins: file:line:character, from 1.</summary>
    public string PlaceOf(int field) => PlaceAt(fields[field].Begin);

    // The break that ended a record is skipped with the empty lines behind it, so that all of them are counted here.
    private bool SkipLineBreaks()
    {
        if (end == 0)
        {
            end = bytes.ReadAtLeast(buffer.AsSpan(0, 3), 3, throwOnEndOfStream: false);
            next = buffer.AsSpan(0, end).StartsWith("\uFEFF"u8) ? 3 : 0;
        }

        // Without quotes a record has no line break inside, and is not searched for one.
        Line += hasQuotes ? LineBreaks(buffer.AsSpan(begin, next - begin)) : 0;
        (Count, fieldBegin, hasQuotes) = (0, 0, false);
        for (var isAfterReturn = false; ; next++)
        {
            begin = next;
            switch (Peek())
            {
                case '\n':
                    Line += isAfterReturn ? 0 : 1;
                    isAfterReturn = false;
                    break;
                case '\r':
                    Line++;
                    isAfterReturn = true;
                    break;
                case var first:
                    return first != EndOfFile;
            }
        }
    }

    // Returns what ended the field, which is not skipped: a comma, a line break, or the file's end.
    private int ReadField()
    {
        fieldBegin = next - begin;
        SkipSpaces();
        var field = Peek() == '"' ? ReadQuoted() : ReadPlain();
        BoundField();
        if (Count == MaxFields)
            throw TooManyFields();
        if (Count == fields.Length)
            Array.Resize(ref fields, 2 * Count);
        fields[Count++] = field;
        return Peek();
    }

    private Field ReadPlain()
    {
        for (var start = next - begin; ; next++)
        {
            // All that ends a field, and all that it must not hold, comes before the digits.
            while (next < end && buffer[next] > ',')
                next++;
            switch (Peek())
            {
                case ',' or '\n' or '\r' or EndOfFile:
                    var text = buffer.AsSpan(begin + start, next - begin - start).TrimEnd((byte)' ');
                    return new Field(fieldBegin, start, text.Length, IsQuoted: false);
                case '"':
                    throw Misplaced("a quote in a field without quotes", "Quote the field, and double the quote.");
                case 0:
                    throw Nul();
            }
        }
    }

    private Field ReadQuoted()
    {
        hasQuotes = true;
        for (var start = ++next - begin; ; next++)
        {
            var ahead = buffer.AsSpan(next, end - next).IndexOfAny((byte)'"', (byte)0);
            next = ahead < 0 ? end : next + ahead;
            switch (Peek())
            {
                case EndOfFile:
                    throw Broken("a quote is not closed", "Close it, or double it inside of quotes.");
                case 0:
                    throw Nul();
                case '"':
                    next++;
                    if (Peek() == '"')
                        break;
                    var length = next - 1 - begin - start;
                    SkipSpaces();
                    return Peek() is ',' or '\n' or '\r' or EndOfFile
                        ? new Field(fieldBegin, start, length, IsQuoted: true)
                        : throw Misplaced("text after a closing quote", "Put a comma there, or double the quote.");
            }
        }
    }

    private void SkipSpaces()
    {
        while (Peek() == ' ')
            next++;
    }

    private int Peek() => next < end || Fill() ? buffer[next] : EndOfFile;

    // Looks at what the record has become after each block: one without end is refused before it fills the memory, one
    // that is too long by little is read on and refused with its length.
    private bool Fill()
    {
        if (end - begin > MaxRecordBytes)
            throw Broken(
                $"the record goes on after {MaxRecordBytes} bytes",
                "Look for a quote that is not closed or a line break that is missing."
            );
        if (begin > 0)
            buffer.AsSpan(begin, end - begin).CopyTo(buffer);
        else if (end == buffer.Length)
            Array.Resize(ref buffer, Math.Min(2 * end, MaxRecordBytes + 1));
        (begin, next, end) = (0, next - begin, end - begin);
        var got = bytes.Read(buffer.AsSpan(end));
        if (got == 0)
            return false;
        BoundField();
        if (Count >= (columns ?? MaxFields))
            throw TooManyFields();
        end += got;
        return true;
    }

    private void BoundField()
    {
        if (next - begin - fieldBegin > MaxFieldBytes)
            throw Broken($"a field has more than {MaxFieldBytes} bytes", "Look for a quote that is not closed.");
    }

    private DataException TooManyFields() =>
        columns is { } count
            ? Broken(
                $"the row goes on after {count} fields, the first record has {count}",
                "Give every row as many; look for a line break that is missing."
            )
            : Broken($"the first record goes on after {MaxFields} fields", "Look for a line break that is missing.");

    // In UTF-16 every other byte of a number is one.
    private DataException Nul() => Misplaced("a NUL, expected text", "Save the file as UTF-8.");

    private DataException Misplaced(string what, string cure) => new(PlaceAt(next - begin), what, cure);

    private DataException Broken(string what, string cure) => new($"{file}:{Line}", what, cure);

    private string PlaceAt(int offset)
    {
        var before = buffer.AsSpan(begin, offset);
        var lineBegin = before.LastIndexOfAny((byte)'\n', (byte)'\r') + 1;
        var character = Encoding.UTF8.GetCharCount(before[lineBegin..]) + 1;
        return FormattableString.Invariant($"{file}:{Line + LineBreaks(before)}:{character}");
    }

    private static int LineBreaks(ReadOnlySpan<byte> text) =>
        text.Count((byte)'\n') + text.Count((byte)'\r') - text.Count("\r\n"u8);

    // Begin is right behind the comma before; Start and Length are of what lies within spaces and quotes.
    private readonly record struct Field(int Begin, int Start, int Length, bool IsQuoted);
}
