using System.Buffers.Binary;
using System.IO;

namespace BackpropCluster.Core.Data;

/// <summary>Reads IDX files of unsigned bytes, plain or gzip-compressed: the format of MNIST and its
/// relatives.</summary>
/// <remarks>Big-endian: two zero bytes, 08 for unsigned bytes, the number of dimensions, each dimension in 4 bytes,
/// then the values (Y. LeCun, C. Cortes, "The MNIST database"). What the header says is believed only as far as bytes
/// follow: a wrong one, or a packed file that grows without end, costs neither memory nor time.</remarks>
public static class IdxReader
{
    /// <summary>The most values that a file may hold: 2³⁰, eight GiB once they are doubles.</summary>
    public const long MaxValues = 1L << 30;

    private const int Chunk = 1 << 20;

    /// <summary>Pictures as rows, and the class of each.</summary>
    /// <param name="imagesName">The pictures' file.</param>
    /// <param name="labelsName">The classes' file.</param>
    /// <param name="read">Reads a file by its name, as <see cref="Read"/> does; asked for the pictures first.</param>
    /// <exception cref="DataException">A file is not what it should be, or the two do not fit.</exception>
    public static (int Features, byte[] Pixels, byte[] Labels) ReadPair(
        string imagesName,
        string labelsName,
        Func<string, (int[] Shape, byte[] Values)> read
    )
    {
        var (shape, pixels) = read(imagesName);
        if (shape.Length < 2)
            throw new DataException(
                imagesName,
                $"got {shape.Length} dimension, expected rows of values",
                "Give the images' file here."
            );
        var (labelShape, classes) = read(labelsName);
        if (labelShape.Length != 1)
            throw new DataException(
                labelsName,
                $"got {labelShape.Length} dimensions, expected 1",
                "Give the labels' file here."
            );
        if (labelShape[0] != shape[0])
            throw new DataException(
                labelsName,
                $"got {labelShape[0]} labels for {shape[0]} images of {imagesName}",
                "Give files that belong together."
            );
        return (pixels.Length / shape[0], pixels, classes);
    }

    /// <summary>One file.</summary>
    public static (int[] Shape, byte[] Values) Read(string name, Stream stream)
    {
        using var unpacked = Unpack(name, stream);
        try
        {
            return ReadUnpacked(name, unpacked);
        }
        catch (InvalidDataException e)
        {
            throw new DataException(name, $"the gzip data are broken: {e.Message}", "Fetch the file again.");
        }
    }

    private static (int[] Shape, byte[] Values) ReadUnpacked(string name, Stream stream)
    {
        Span<byte> header = stackalloc byte[4];
        ReadExactly(name, stream, header);
        if (header[0] != 0 || header[1] != 0)
            throw new DataException(
                name,
                $"begins with {Convert.ToHexString(header)}, expected 0000 of an IDX file",
                "Give an IDX file, plain or gzip-compressed."
            );
        if (header[2] != 8)
            throw new DataException(
                name,
                $"holds values of type {header[2]:X2}, expected 08, unsigned bytes",
                "Convert the file."
            );
        if (header[3] is 0 or > 4)
            throw new DataException(
                name,
                $"got {header[3]} dimensions, expected 1 to 4",
                "Give an IDX file of images or labels."
            );

        var shape = new int[header[3]];
        long count = 1;
        for (var d = 0; d < shape.Length; d++)
        {
            ReadExactly(name, stream, header);
            var size = BinaryPrimitives.ReadUInt32BigEndian(header);
            count = size is 0 or > int.MaxValue ? 0 : Math.Min(count * size, MaxValues + 1);
            if (count is 0 or > MaxValues)
                throw new DataException(
                    name,
                    $"dimension {d + 1} is {size}: the file would hold none or more than {MaxValues} values",
                    "Give a smaller file."
                );
            shape[d] = (int)size;
        }

        var values = ReadValues(name, stream, count);
        if (stream.ReadByte() >= 0)
            throw new DataException(
                name,
                $"more bytes follow the {count} values that the header announces",
                "Fetch the file again."
            );
        return (shape, values);
    }

    // Grows with what arrives, not with what the header announces.
    private static byte[] ReadValues(string name, Stream stream, long count)
    {
        var values = new byte[Math.Min(count, Chunk)];
        var read = 0;
        while (read < count)
        {
            if (read == values.Length)
                Array.Resize(ref values, (int)Math.Min(count, 2L * values.Length));
            var got = stream.Read(values, read, values.Length - read);
            if (got == 0)
                throw new DataException(name, $"ends after {read} of {count} values", "Fetch the file again.");
            read += got;
        }

        return values;
    }

    private static void ReadExactly(string name, Stream stream, Span<byte> bytes)
    {
        if (stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
            throw new DataException(name, "ends within its header", "Fetch the file again.");
    }

    private static Stream Unpack(string name, Stream stream)
    {
        // 1F 8B begins every gzip file, and no IDX file.
        var first = stream.ReadByte();
        stream.Position = 0;
        return first == 0x1F ? new BoundedGZipStream(name, stream) : new BufferedStream(stream, Chunk);
    }
}
