using BackpropCluster.Core.Data;

namespace BackpropCluster.Grains;

/// <summary>The text of a CSV file on its way to the parser, which ends where one record becomes longer than a record
/// can be.</summary>
/// <remarks>The parser keeps a record whole before anyone can look at it: of a row without end it would keep all that
/// there is. So fields and characters are counted here and looked at before each further block: what is too long
/// already is refused when the parser asks for still more of it. A row that is too long by little ends within its block
/// and reaches the parser, which knows how long it is.</remarks>
/// <param name="file">For errors.</param>
/// <param name="text">The file's text; stays the caller's.</param>
internal sealed class BoundedRecords(string file, TextReader text) : TextReader
{
    /// <summary>The most fields of a first record: 2²⁰.</summary>
    public const int MaxFields = 1 << 20;

    /// <summary>The most characters of any record: 2²⁴, 32 MiB in memory.</summary>
    public const int MaxCharacters = 1 << 24;

    private long line = 1;
    private long recordLine = 1;
    private int fields = 1;
    private int characters;
    private bool isQuoted;
    private bool isAfterReturn;

    /// <summary>How many fields each record has; <see langword="null"/> before the first one is read.</summary>
    public int? Columns { get; set; }

    /// <summary>Whether a quote has come so far: without one, each record is one line.</summary>
    public bool HasQuotes { get; private set; }

    /// <exception cref="DataException">The record that the last block left open is too long.</exception>
    public override int Read(char[] buffer, int index, int count)
    {
        if (Columns is { } columns && fields > columns)
            throw new DataException(
                $"{file}:{recordLine}",
                $"the row goes on after {columns} fields, the first record has {columns}",
                "Give every row as many; look for a line break that is missing."
            );
        if (fields > MaxFields)
            throw new DataException(
                $"{file}:{recordLine}",
                $"the first record goes on after {MaxFields} fields",
                "Look for a line break that is missing."
            );
        if (characters > MaxCharacters)
            throw new DataException(
                $"{file}:{recordLine}",
                $"the record goes on after {MaxCharacters} characters",
                "Look for a quote that is not closed or a line break that is missing."
            );
        var got = text.Read(buffer, index, count);
        Count(buffer.AsSpan(index, got));
        return got;
    }

    private void Count(ReadOnlySpan<char> block)
    {
        foreach (var character in block)
        {
            characters++;
            // All that parts fields and records comes before the digits.
            if (character > ',')
                isAfterReturn = false;
            else
                Part(character);
        }
    }

    private void Part(char character)
    {
        // A return and a line feed are one line break.
        var isSecond = isAfterReturn && character == '\n';
        isAfterReturn = character == '\r';
        switch (character)
        {
            case '"':
                (isQuoted, HasQuotes) = (!isQuoted, true);
                break;
            case ',' when !isQuoted:
                fields++;
                break;
            case '\n' or '\r':
                if (!isSecond)
                    line++;
                if (!isQuoted)
                    (fields, characters, recordLine) = (1, 0, line);
                break;
        }
    }
}
