using System.Globalization;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Grains.Actors;

namespace BackpropCluster.Grains.Data;

/// <summary>Reads comma-separated values (RFC 4180), plain or gzip-compressed, UTF-8: numbers in rows, targets in
/// columns that the run file names.</summary>
/// <remarks>Strict: a row of another length, an empty field, NaN or a word where a number belongs ends the reading with
/// its place, since a guess would train on rows that nobody has. Bounded: a field, a record
/// (<see cref="CsvReader"/>), the values of a file, and what packed data unpack to
/// (<see cref="BoundedGZipStream"/>). A plain file may otherwise be as large as memory allows.</remarks>
public static class CsvTable
{
    /// <summary>The most values that a file may hold: 2³⁰, eight GiB.</summary>
    public const long MaxValues = 1L << 30;

    /// <exception cref="DataException">The file is not what it should be; its place is file:line:column, from
    /// 1.</exception>
    public static Table Read(CsvFile csv, Stream stream)
    {
        using var bytes = Unpacked(csv.File, stream);
        try
        {
            return new Reading(csv, new CsvReader(csv.File, bytes)).ToTable();
        }
        catch (InvalidDataException e)
        {
            throw new DataException(csv.File, $"the gzip data are broken: {e.Message}", "Fetch the file again.");
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
    private sealed class Reading(CsvFile csv, CsvReader reader)
    {
        private readonly List<double> inputs = [];
        private readonly List<double> targets = [];

        // Rows are many and classes few: each text is kept once, with the place where it stands first.
        private readonly List<int> classes = [];
        private readonly List<(string Text, string Place)> texts = [];
        private readonly Dictionary<string, int> known = [];
        private bool[] isTarget = [];

        public Table ToTable()
        {
            if (!reader.Read())
                throw new DataException(csv.File, "holds no row", "Give a file with rows of numbers.");
            var columns = reader.Count;
            var target = TargetColumns(
                csv.Header ? [.. Enumerable.Range(0, columns).Select(reader.Text)] : [],
                columns
            );
            isTarget = new bool[columns];
            foreach (var column in target)
                isTarget[column] = true;
            if (!isTarget.Contains(false))
                throw new DataException(csv.File, "every column is a target", "Leave columns for the inputs.");
            for (var more = !csv.Header || reader.Read(); more; more = reader.Read())
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

        private void Take(int columns, int[] target)
        {
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
            if (!double.TryParse(reader[column], NumberStyles.Float, CultureInfo.InvariantCulture, out var value))
                throw Wrong(column, $"got '{Shown(reader.Text(column))}', expected a number");
            return double.IsFinite(value)
                ? value
                : throw Wrong(column, $"got {Shown(reader.Text(column))}, expected a finite number");
        }

        private int ClassOf(int column)
        {
            var text = reader.Text(column);
            if (known.TryGetValue(text, out var index))
                return index;
            if (text.Length == 0)
                throw Wrong(column, "an empty field, expected a class");
            texts.Add((text, reader.PlaceOf(column)));
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
                        texts[high].Place,
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
                    $"{csv.File}:{reader.Line}",
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
                            $"{csv.File}:{reader.Line}",
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

        private DataException Wrong(int column, string what) => new(reader.PlaceOf(column), what, "Correct the file.");

        private static string Shown(string text) =>
            string.Concat(text.Take(80).Select(c => char.IsControl(c) ? '?' : c));
    }
}
