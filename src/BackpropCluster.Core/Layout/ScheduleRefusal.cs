using System.Globalization;

namespace BackpropCluster.Core.Layout;

/// <summary>Why a schedule cannot be used.</summary>
/// <param name="Rank">Where, from 0; <see langword="null"/> if it concerns no single rank.</param>
/// <param name="Position">Which cell of that rank, from 0; <see langword="null"/> if it concerns no single one.</param>
/// <param name="Action">The cell's text; <see langword="null"/> if there is none.</param>
/// <param name="Reason">What is wrong and what was expected, without the place and without a full stop.</param>
public sealed record ScheduleRefusal(int? Rank, int? Position, string? Action, string Reason)
{
    // As long as anything that a correct cell holds; a file may have a line of a gigabyte.
    private const int LongestShown = 60;

    /// <summary>A text from a file as an error may show it: of bounded length, and without characters that a terminal
    /// would obey.</summary>
    public static string Shown(string text)
    {
        var shown = text.Length <= LongestShown ? text : string.Concat(text.AsSpan(0, LongestShown), "…");
        return string.Concat(shown.Select(c => char.IsControl(c) || char.IsSurrogate(c) || c == '\uFEFF' ? '�' : c));
    }

    public override string ToString() =>
        Rank is null ? Reason
        : Position is null ? string.Create(CultureInfo.InvariantCulture, $"rank {Rank}: {Reason}")
        : string.Create(CultureInfo.InvariantCulture, $"rank {Rank}, position {Position}: {Reason}");
}

/// <summary>A schedule that cannot be read or made.</summary>
public sealed class ScheduleException(ScheduleRefusal refusal) : Exception(refusal.ToString())
{
    public ScheduleRefusal Refusal => refusal;
}
