using System.Globalization;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using CsvHelper;
using CsvHelper.Configuration;

namespace BackpropCluster.Grains;

/// <summary>Reads comma-separated values (RFC 4180), plain or gzip-compressed, UTF-8: numbers in rows, targets in
/// columns that the run file names.</summary>
/// <remarks>Strict: a row of another length, an empty field, NaN or a word where a number belongs ends the reading with
/// its place, since a guess would train on rows that nobody has. Bounded: a field, a record
/// (<see cref="BoundedRecords"/>), the values of a file, and what packed data unpack to
/// (<see cref="BoundedGZipStream"/>). A plain file may otherwise be as large as memory allows.</remarks>
public static class CsvTable
{
    /// <summary>The most values that a file may hold: 2³⁰, eight GiB.</summary>
    public const long MaxValues = 1L << 30;

    private const int MaxFieldCharacters = 1 << 16;

    /// <exception cref="DataException">The file is not what it should be; its place is file:line:column, from
    /// 1.</exception>
    public static Table Read(CsvFile csv, Stream stream)
    {
        var configuration = new CsvConfiguration(CultureInfo.InvariantCulture)
        {
            HasHeaderRecord = false,
            BadDataFound = null,
            MissingFieldFound = null,
            IgnoreBlankLines = true,
            MaxFieldSize = MaxFieldCharacters,
            TrimOptions = TrimOptions.Trim,
        };
        using var decoded = new StreamReader(Unpacked(csv.File, stream));
        using var text = new BoundedRecords(csv.File, decoded);
        using var parser = new CsvParser(text, configuration);
        try
        {
            return new Reading(csv, text, parser).ToTable();
        }
        catch (InvalidDataException e)
        {
            throw new DataException(csv.File, $"the gzip data are broken: {e.Message}", "Fetch the file again.");
        }
        catch (MaxFieldSizeException)
        {
            throw new DataException(
                $"{csv.File}:{parser.RawRow}",
                $"a field has more than {MaxFieldCharacters} characters",
                "Look for a quote that is not closed."
            );
        }
    }

    private static Stream Unpacked(string name, Stream stream)
    {
        // 1F begins every gzip file, and no line of text.
        var first = stream.ReadByte();
        stream.Position = 0;
        return first == 0x1F ? new BoundedGZipStream(name, stream) : stream;
    }

    /// <summary>One file on its way into a table.</summary>
    private sealed class Reading(CsvFile csv, BoundedRecords bounded, CsvParser parser)
    {
        private readonly List<double> inputs = [];
        private readonly List<double> targets = [];

        // Rows are many and classes few: each text is kept once, with the place where it stands first.
        private readonly List<int> classes = [];
        private readonly List<(string Text, int Line, int Character)> texts = [];
        private readonly Dictionary<string, int> known = [];
        private bool[] isTarget = [];
        private int firstLine = 1;

        public Table ToTable()
        {
            var more = Next();
            if (!more)
                throw new DataException(csv.File, "holds no row", "Give a file with rows of numbers.");
            var columns = parser.Count;
            bounded.Columns = columns;
            var target = TargetColumns(csv.Header ? parser.Record! : [], columns);
            isTarget = new bool[columns];
            foreach (var column in target)
                isTarget[column] = true;
            if (!isTarget.Contains(false))
                throw new DataException(csv.File, "every column is a target", "Leave columns for the inputs.");
            if (csv.Header)
                more = Next();
            for (; more; more = Next())
                Take(columns, target);
            if (inputs.Count == 0)
                throw new DataException(
                    csv.File,
                    "holds a header and no row",
                    "Give a file with rows, or set data.header to false."
                );
            var features = columns - target.Length;
            return csv.Classes is { } count
                ? Table.OfClasses(features, [.. inputs], Numbered(count), count)
                : Table.OfTargets(features, [.. inputs], target.Length, [.. targets]);
        }

        private bool Next()
        {
            if (!parser.Read())
                return false;
            firstLine = parser.RawRow;
            // Asking for the raw record costs more than parsing it.
            if (!bounded.HasQuotes)
                return true;
            // It may begin with blank lines that were skipped; the line break at its end is its own, unless a quote
            // holds it.
            var raw = parser.RawRecord.AsSpan().TrimStart("\r\n");
            var isOpen = raw.Count('"') % 2 == 1;
            firstLine -= (isOpen ? raw : raw.TrimEnd("\r\n")).Count('\n');
            if (isOpen)
                throw new DataException(
                    $"{csv.File}:{firstLine}",
                    "a quote is not closed",
                    "Close it, or double it inside of quotes."
                );
            return true;
        }

        private void Take(int columns, int[] target)
        {
            if (parser.Count != columns)
                throw new DataException(
                    $"{csv.File}:{firstLine}",
                    $"got {parser.Count} fields, the first record has {columns}",
                    "Give every row as many."
                );
            for (var c = 0; c < columns; c++)
                if (!isTarget[c])
                    inputs.Add(Number(c));
            if (csv.Classes is not null)
                classes.Add(ClassOf(target[0]));
            else
            {
                foreach (var column in target)
                    targets.Add(Number(column));
            }

            if (inputs.Count > MaxValues)
                throw new DataException(csv.File, $"holds more than {MaxValues} values", "Give a smaller file.");
        }

        private double Number(int column)
        {
            var text = parser[column];
            if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value))
                throw Wrong(column, $"got '{Shown(text)}', expected a number");
            return double.IsFinite(value) ? value : throw Wrong(column, $"got {Shown(text)}, expected a finite number");
        }

        private int ClassOf(int column)
        {
            var text = parser[column];
            if (known.TryGetValue(text, out var index))
                return index;
            if (text.Length == 0)
                throw Wrong(column, "an empty field, expected a class");
            var (line, character) = PlaceOf(column);
            texts.Add((text, line, character));
            known.Add(text, known.Count);
            return known.Count - 1;
        }

        // Whole numbers are classes as they stand; words are numbered in the order of their letters.
        private int[] Numbered(int count)
        {
            if (texts.TrueForAll(t => int.TryParse(t.Text, NumberStyles.None, CultureInfo.InvariantCulture, out _)))
            {
                var numbers = texts.ConvertAll(t => int.Parse(t.Text, CultureInfo.InvariantCulture));
                var high = numbers.FindIndex(n => n >= count);
                return high < 0
                    ? [.. classes.Select(c => numbers[c])]
                    : throw new DataException(
                        $"{csv.File}:{texts[high].Line}:{texts[high].Character}",
                        $"class {numbers[high]}, and data.classes is {count}: classes are 0 to {count - 1}",
                        "Set data.classes, or correct the file."
                    );
            }

            var words = texts.Select(t => t.Text).Order(StringComparer.Ordinal).ToList();
            if (words.Count != count)
                throw new DataException(
                    csv.File,
                    $"names {words.Count} classes ({Shown(string.Join(", ", words.Take(12)))}), and data.classes is "
                        + $"{count}",
                    "Set data.classes, or correct the file."
                );
            var order = texts.ConvertAll(t => words.BinarySearch(t.Text, StringComparer.Ordinal));
            return [.. classes.Select(c => order[c])];
        }

        private int[] TargetColumns(string[] names, int columns)
        {
            if (names.GroupBy(n => n).FirstOrDefault(g => g.Count() > 1) is { } twice)
                throw new DataException(
                    $"{csv.File}:{firstLine}",
                    $"two columns are named '{Shown(twice.Key)}'",
                    "Name them apart."
                );
            return
            [
                .. csv.TargetColumns.Select(wanted =>
                {
                    var column = Array.IndexOf(names, wanted);
                    if (
                        column < 0
                        && int.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
                    )
                        column = index;
                    return column >= 0 && column < columns
                        ? column
                        : throw new DataException(
                            $"{csv.File}:{firstLine}",
                            $"there is no column '{Shown(wanted)}'; "
                                + (
                                    names.Length > 0
                                        ? $"the header names {Shown(string.Join(", ", names))}"
                                        : $"there are {columns} columns, the first is 0"
                                ),
                            "Correct data.target."
                        );
                }),
            ];
        }

        private DataException Wrong(int column, string what)
        {
            var (line, character) = PlaceOf(column);
            return new DataException($"{csv.File}:{line}:{character}", what, "Correct the file.");
        }

        // Where a field of the present record begins, counting lines and characters from 1.
        private (int Line, int Character) PlaceOf(int column)
        {
            var (line, start, quoted) = (firstLine, 0, false);
            var raw = parser.RawRecord.TrimStart('\r', '\n');
            for (var i = 0; i < raw.Length && column > 0; i++)
            {
                if (raw[i] == '"')
                    quoted = !quoted;
                else if (raw[i] == '\n')
                    (line, start) = (line + 1, i + 1);
                else if (raw[i] == ',' && !quoted && --column == 0)
                    return (line, i + 2 - start);
            }

            return (line, 1);
        }

        private static string Shown(string text) =>
            string.Concat(text.Take(80).Select(c => char.IsControl(c) ? '?' : c));
    }
}
