using System.Globalization;

namespace BackpropCluster.Grains.Checkpoints;

/// <summary>A whole record of another version of the program. Whatever meets one changes nothing: only that version
/// can go on with it.</summary>
/// <remarks>No <see cref="BrokenRecordException"/>: a broken record may be written again, one of another version must
/// not be.</remarks>
/// <param name="found">The record's format.</param>
/// <param name="holder">Where it lies, as the subject of a sentence.</param>
/// <param name="otherwise">What can be done instead of using the other version.</param>
[GenerateSerializer, Alias("record-format")]
public sealed class RecordFormatException(
    int found,
    string holder = "the store",
    string otherwise = "train anew in another store"
)
    : Exception(
        string.Create(
            CultureInfo.InvariantCulture,
            $"{holder} holds records of format {found}, which {WriterOf(found)} wrote; this program is "
                + $"{WriterOf(StoredBytes.Format)} and reads format {StoredBytes.Format}. Nothing was started, and "
                + $"nothing there was changed. Use {WriterOf(found)} there, or {otherwise}."
        )
    )
{
    /// <summary>The format that was found.</summary>
    [Id(0)]
    public int Found { get; } = found;

    /// <summary>Which releases write a format.</summary>
    private static string WriterOf(int format) =>
        format switch
        {
            < 3 => "backprop 0.1",
            3 => "backprop 0.2",
            _ => "a later backprop",
        };
}
