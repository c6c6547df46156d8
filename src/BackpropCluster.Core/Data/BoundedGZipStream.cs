using System.IO;
using System.IO.Compression;

namespace BackpropCluster.Core.Data;

/// <summary>The contents of a gzip file, as long as they are believable.</summary>
/// <remarks>Tables and pictures become some ten times smaller by packing, the format allows a thousand times. Without a
/// bound, a megabyte that anybody sent would be unpacked to a gigabyte before its rows are found wrong. What came is
/// compared with what it came from so far, not with the file's length: a file of a gigabyte in a megabyte would
/// otherwise be read to a fifth before it is refused.</remarks>
/// <param name="name">For errors.</param>
/// <param name="packed">The file, from its beginning; must know its position.</param>
public sealed class BoundedGZipStream(string name, Stream packed) : Stream
{
    /// <summary>The most bytes that one packed byte may stand for, once more than <see cref="Unsuspected"/>
    /// came.</summary>
    public const int MaxExpansionRatio = 200;

    /// <summary>The first bytes of a file are never refused: 16 MiB.</summary>
    public const long Unsuspected = 1 << 24;

    private readonly GZipStream gzip = new(packed, CompressionMode.Decompress);
    private long read;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => read;
        set => throw new NotSupportedException();
    }

    /// <exception cref="DataException">More came than is believable.</exception>
    public override int Read(Span<byte> buffer)
    {
        var got = gzip.Read(buffer);
        read += got;
        return read <= Unsuspected || read <= MaxExpansionRatio * packed.Position
            ? got
            : throw new DataException(
                name,
                $"its gzip data unpack to more than {Unsuspected >> 20} MiB and more than {MaxExpansionRatio} times "
                    + $"their size",
                "Give the file unpacked if that is right."
            );
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
        // Nothing is ever written.
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            gzip.Dispose();
        base.Dispose(disposing);
    }
}
