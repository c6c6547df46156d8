using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace BackpropCluster.Core.Layout;

/// <summary>The text form of schedules: PyTorch's CSV, one row a rank, one cell an action.</summary>
/// <remarks><code>
/// file   = row, row, …                         row r is rank r's program; rows end in LF or CR LF
/// row    = cell "," cell …                     blanks round a cell do not count; an empty cell is idle
/// cell   = action | "(" action ";" action … ")OVERLAP_F_B"
/// action = stage type microbatch               2F0, 0SEND_F3
///        | stage "UNSHARD" | stage "RESHARD" | stage "REDUCE_GRAD"
/// </code>
/// Numbers are decimal, from 0, without sign and leading zeros. A file either has only F, I, W, B, overlaps and idle
/// cells, or has communication and no idle cells. Unlike PyTorch's reader this one takes a cell whole (that one reads
/// <c>0F0x</c> as <c>0F0</c>) and refuses the older spelling, which had B for I and BW for B.</remarks>
public static class ScheduleText
{
    /// <summary>The type of a cell with several parts.</summary>
    internal const string Overlap = "OVERLAP_F_B";

    /// <summary>The most cells of a file; a mebibyte of commas is no schedule.</summary>
    private const int MaxCells = 4_000_000;
    private const int MaxRanks = 4096;
    private const string Expected =
        "expected a stage, one of F, I, W, B, UNSHARD, RESHARD, REDUCE_GRAD, SEND_F, RECV_F, SEND_B, RECV_B, and "
        + "a microbatch, such as 2F0";

    private static readonly string[] names =
    [
        "F",
        "I",
        "W",
        "B",
        "UNSHARD",
        "RESHARD",
        "REDUCE_GRAD",
        "SEND_F",
        "RECV_F",
        "SEND_B",
        "RECV_B",
    ];

    /// <summary>A kind as the text has it.</summary>
    public static string NameOf(ActionKind kind) => names[(int)kind];

    /// <summary>The file's text: rows end in LF, as the last one does.</summary>
    public static string Write(PipelineSchedule schedule)
    {
        var text = new StringBuilder();
        foreach (var cells in schedule.Programs)
            text.AppendJoin(',', cells).Append('\n');
        return text.ToString();
    }

    /// <summary>Reads a file's text.</summary>
    /// <exception cref="ScheduleException">A row or cell is none; names rank, position, got and expected.</exception>
    public static PipelineSchedule Read(string text)
    {
        var programs = ImmutableArray.CreateBuilder<ImmutableArray<ScheduleCell>>();
        var cells = 0;
        foreach (var line in Rows(text))
        {
            if (programs.Count == MaxRanks)
                throw Refused(programs.Count, null, null, $"more than {MaxRanks} rows, expected one row a rank");
            programs.Add(ReadRow(programs.Count, line, ref cells));
        }

        var schedule = new PipelineSchedule(programs.ToImmutable());
        RefuseMixture(schedule);
        RefuseOlderSpelling(schedule);
        return schedule;
    }

    private static IEnumerable<string> Rows(string text)
    {
        if (text.Length == 0)
            throw Refused(null, null, null, "the file is empty, expected one row a rank");
        for (var start = 0; start < text.Length; )
        {
            var end = text.IndexOf('\n', start);
            var stop = end < 0 ? text.Length : end;
            yield return text[start..(stop > start && text[stop - 1] == '\r' ? stop - 1 : stop)];
            start = stop + 1;
        }
    }

    private static ImmutableArray<ScheduleCell> ReadRow(int rank, string line, ref int cells)
    {
        if (line.AsSpan().Trim(" \t,").IsEmpty)
            throw Refused(rank, null, null, "the row has no action, expected the rank's program");
        var count = line.AsSpan().Count(',') + 1;
        if ((cells += count) > MaxCells)
            throw Refused(rank, null, null, $"the file has more than {MaxCells} cells");
        var row = ImmutableArray.CreateBuilder<ScheduleCell>(count);
        foreach (var cell in line.AsSpan().Split(','))
            row.Add(ReadCell(rank, row.Count, line.AsSpan(cell).Trim(" \t")));
        return row.MoveToImmutable();
    }

    private static ScheduleCell ReadCell(int rank, int position, ReadOnlySpan<char> cell)
    {
        if (cell.IsEmpty)
            return ScheduleCell.Idle;
        if (cell[0] != '(')
            return new ScheduleCell(ReadAction(rank, position, cell, cell));
        var close = cell.IndexOf(')');
        if (close < 0 || !cell[(close + 1)..].SequenceEqual(Overlap))
            throw Refused(rank, position, cell, $"expected (action;action){Overlap}");
        var parts = ImmutableArray.CreateBuilder<StageAction>();
        var inside = cell[1..close];
        foreach (var part in inside.Split(';'))
            parts.Add(ReadAction(rank, position, inside[part], cell));
        if (parts.Count < 2 || parts.Any(part => !part.IsCompute))
            throw Refused(rank, position, cell, $"expected at least two of F, I, W, B in (…){Overlap}");
        return new ScheduleCell(parts.ToImmutable());
    }

    private static StageAction ReadAction(int rank, int position, ReadOnlySpan<char> action, ReadOnlySpan<char> cell)
    {
        var digits = Digits(action);
        var rest = action[digits..];
        var letters = rest.IndexOfAnyInRange('0', '9') is var at && at < 0 ? rest.Length : at;
        var name = rest[..letters].ToString();
        if (name == "BW")
            throw Refused(rank, position, cell, "is the older spelling of full backward. Write B for it, and I for B");
        var kind = Array.IndexOf(names, name);
        if (kind < 0)
            throw Refused(rank, position, cell, Expected);
        var stage = Number(rank, position, action[..digits], cell, "a stage");
        var typed = new StageAction(stage, (ActionKind)kind);
        if (!typed.IsOfStage)
            return typed with { Microbatch = Number(rank, position, rest[letters..], cell, "a microbatch") };
        return letters == rest.Length
            ? typed
            : throw Refused(rank, position, cell, $"{name} concerns the whole stage: expected no microbatch");
    }

    private static int Digits(ReadOnlySpan<char> text) =>
        text.IndexOfAnyExceptInRange('0', '9') is var at and >= 0 ? at : text.Length;

    private static int Number(int rank, int position, ReadOnlySpan<char> text, ReadOnlySpan<char> cell, string what)
    {
        // int.Parse with digits alone would take other alphabets' digits no more than signs, but 00 for 0.
        var isPlain =
            text.Length is >= 1 and <= 6 && Digits(text) == text.Length && (text.Length == 1 || text[0] != '0');
        return isPlain
            ? int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture)
            : throw Refused(rank, position, cell, $"expected {what} from 0 to 999999, without leading zeros");
    }

    // With communication a cell is a slot of a lowered list, where nobody idles: PyTorch's reader has two formats.
    private static void RefuseMixture(PipelineSchedule schedule)
    {
        if (!schedule.IsLowered)
            return;
        for (var rank = 0; rank < schedule.Ranks; rank++)
            if (schedule.Programs[rank].Select((cell, at) => (cell, at)).FirstOrDefault(c => c.cell.IsIdle) is var idle)
                if (!idle.cell.Parts.IsDefault)
                    throw Refused(
                        rank,
                        idle.at,
                        "",
                        "an idle cell in a file with communication, expected an action: only compute-only files idle"
                    );
    }

    private static void RefuseOlderSpelling(PipelineSchedule schedule)
    {
        var full = schedule.Actions.Where(action => action.Kind == ActionKind.FullBackward).ToHashSet();
        for (var rank = 0; rank < schedule.Ranks; rank++)
        for (var at = 0; at < schedule.Programs[rank].Length; at++)
            foreach (var part in schedule.Programs[rank][at].Parts)
                if (
                    part.Kind == ActionKind.WeightBackward
                    && full.Contains(part with { Kind = ActionKind.FullBackward })
                )
                    throw Refused(
                        rank,
                        at,
                        schedule.Programs[rank][at].ToString(),
                        $"its stage and microbatch also have {part with { Kind = ActionKind.FullBackward }}, which "
                            + "is W and I in one: the older spelling, with B for I and BW for B. Write I and B"
                    );
    }

    private static ScheduleException Refused(int? rank, int? position, ReadOnlySpan<char> got, string expected) =>
        Refused(rank, position, got.ToString(), expected);

    private static ScheduleException Refused(int? rank, int? position, string? got, string expected) =>
        new(
            new ScheduleRefusal(
                rank,
                position,
                got is null ? null : ScheduleRefusal.Shown(got),
                got is null or "" ? expected : $"got '{ScheduleRefusal.Shown(got)}': {expected}"
            )
        );
}
