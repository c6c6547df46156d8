using System.Security.Cryptography;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;

namespace BackpropCluster.Grains;

/// <summary>Reads the rows that a run file names, from the program itself or from this machine's files.</summary>
public static class DataFiles
{
    /// <exception cref="DataException">A file is missing or is not what it should be.</exception>
    public static Table Read(DataSpec data) =>
        data.Idx is { } files ? Read(files) : data.Csv is { } csv ? Read(csv) : BuiltInData.Read(data.Source);

    /// <summary>SHA-256 over all files that some data lie in, one after the other; empty for what the program brings along.</summary>
    /// <exception cref="DataException">A file cannot be read.</exception>
    public static string Sha256(DataSpec data)
    {
        string?[] files = data.Idx is { } idx ? [idx.Images, idx.Labels, idx.TestImages, idx.TestLabels] : data.Csv is { } csv ? [csv.File] : [];
        if (files.Length == 0) return "";
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 16];
        foreach (var file in files.OfType<string>())
        {
            using var stream = Open(file);
            for (int count; (count = stream.Read(buffer)) > 0;) hash.AppendData(buffer, 0, count);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static Table Read(CsvFile csv)
    {
        using var stream = Open(csv.File);
        return CsvTable.Read(csv, stream);
    }

    private static Table Read(IdxFiles files)
    {
        var (features, pixels, labels) = ReadPair(files.Images, files.Labels);
        var testRows = 0;
        if (files is { TestImages: { } testImages, TestLabels: { } testLabels })
        {
            var (testFeatures, testPixels, testClasses) = ReadPair(testImages, testLabels);
            if (testFeatures != features) throw new DataException(testImages, $"rows of {testFeatures} values, {files.Images} has rows of {features}", "Give files that belong together.");
            (pixels, labels, testRows) = ([.. pixels, .. testPixels], [.. labels, .. testClasses], testClasses.Length);
        }

        var inputs = new double[pixels.Length];
        for (var i = 0; i < inputs.Length; i++) inputs[i] = pixels[i];
        return Table.OfClasses(features, inputs, Array.ConvertAll(labels, label => (int)label), labels.Max() + 1) with { TestRows = testRows };
    }

    private static (int Features, byte[] Pixels, byte[] Labels) ReadPair(string images, string labels)
    {
        using var imageStream = Open(images);
        using var labelStream = Open(labels);
        return IdxReader.ReadPair(images, imageStream, labels, labelStream);
    }

    private static FileStream Open(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 20, FileOptions.SequentialScan);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new DataException(path, $"cannot be read: {e.Message}", "Correct the path in the run file; it is relative to that file.");
        }
    }
}
