using System.Globalization;
using System.Text;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>What a user wrote, made fit for one line of an error.</summary>
internal static class Excerpt
{
    private const int MaxCharacters = 80;

    /// <summary>The text in quotes: cut where it is long, with a code for each character that would break or steer a
    /// terminal's line.</summary>
    public static string Of(string text) => $"'{Bare(text)}'";

    /// <summary>The same without quotes.</summary>
    public static string Bare(string text)
    {
        var line = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (line.Length >= MaxCharacters)
                return $"{line}… ({text.Length.ToString("N0", CultureInfo.InvariantCulture)} characters)";
            // Format holds the marks that turn the direction of writing: with one of them an error can show another
            // text than it has.
            if (
                Rune.GetUnicodeCategory(rune)
                is UnicodeCategory.Control
                    or UnicodeCategory.Format
                    or UnicodeCategory.LineSeparator
                    or UnicodeCategory.ParagraphSeparator
            )
                line.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}");
            else
                line.Append(rune.ToString());
        }

        return line.ToString();
    }
}
