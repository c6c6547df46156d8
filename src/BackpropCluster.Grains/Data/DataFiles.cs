using System.Security.Cryptography;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;

namespace BackpropCluster.Grains.Data;

/// <summary>Reads the rows that a run file names, from the program itself or from this machine's files.</summary>
public static class DataFiles
{
    private const string Cure = "Correct the path in the run file; it is relative to that file.";

    /// <summary>The files that some data lie in; none for what the program brings along.</summary>
    public static IEnumerable<string> Of(DataSpec data)
    {
        string?[] files = data.Idx is { } idx
            ? [idx.Images, idx.Labels, idx.TestImages, idx.TestLabels]
            : [data.Csv?.File];
        return files.OfType<string>();
    }

    /// <summary>The rows, and with them the hash of the bytes that they were read from.</summary>
    /// <exception cref="DataException">A file is missing or is not what it should be.</exception>
    public static Table Read(DataSpec data)
    {
        if (data is { Idx: null, Csv: null })
            return BuiltInData.Read(data.Source);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var table = data.Idx is { } files
            ? Read(files, name => Hashed(name, hash, stream => IdxReader.Read(name, stream)))
            : Hashed(data.Csv!.File, hash, stream => CsvTable.Read(data.Csv, stream));
        return table with { FilesSha256 = Convert.ToHexStringLower(hash.GetHashAndReset()) };
    }

    /// <summary>SHA-256 over all files that some data lie in, one after the other; empty for what the program brings
    /// along.</summary>
    /// <exception cref="DataException">A file cannot be read.</exception>
    public static string Sha256(DataSpec data)
    {
        if (!Of(data).Any())
            return "";
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in Of(data))
            Hashed(file, hash, _ => 0);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Opens a file to read.</summary>
    /// <exception cref="DataException">It is missing, may not be read, or is no file: rows are read by every silo and
    /// again when the run goes on, and a pipe gives them once. One that nobody writes would also hold its reader for
    /// ever.</exception>
    public static FileStream Open(string path) =>
        Reading(
            path,
            () =>
                FileKind.IsSeekable(path)
                    ? new FileStream(
                        path,
                        FileMode.Open,
                        FileAccess.Read,
                        FileShare.Read,
                        bufferSize: 0,
                        FileOptions.SequentialScan
                    )
                    : throw new DataException(
                        path,
                        "is a pipe, a device or a socket, expected a file",
                        "Write the rows into a file, and name that."
                    )
        );

    /// <summary>Reads something of a file.</summary>
    /// <exception cref="DataException">The system refuses.</exception>
    public static T Reading<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataException(path, $"cannot be read: {e.Message.TrimEnd('.')}", Cure);
        }
    }

    private static T Hashed<T>(string path, IncrementalHash hash, Func<Stream, T> read)
    {
        using var file = Open(path);
        return Reading(
            path,
            () =>
            {
                using var hashed = new HashedStream(file, hash);
                var result = read(hashed);
                hashed.HashRest();
                return result;
            }
        );
    }

    private static Table Read(IdxFiles files, Func<string, (int[] Shape, byte[] Values)> read)
    {
        var (features, pixels, labels) = IdxReader.ReadPair(files.Images, files.Labels, read);
        var testRows = 0;
        if (files is { TestImages: { } testImages, TestLabels: { } testLabels })
        {
            var (testFeatures, testPixels, testClasses) = IdxReader.ReadPair(testImages, testLabels, read);
            if (testFeatures != features)
                throw new DataException(
                    testImages,
                    $"rows of {testFeatures} values, {files.Images} has rows of {features}",
                    "Give files that belong together."
                );
            (pixels, labels, testRows) = ([.. pixels, .. testPixels], [.. labels, .. testClasses], testClasses.Length);
        }

        var inputs = new double[pixels.Length];
        for (var i = 0; i < inputs.Length; i++)
            inputs[i] = pixels[i];
        return Table.OfClasses(features, inputs, Array.ConvertAll(labels, label => (int)label), labels.Max() + 1) with
        {
            TestRows = testRows,
        };
    }
}
