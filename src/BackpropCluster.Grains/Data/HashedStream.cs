using System.Security.Cryptography;

namespace BackpropCluster.Grains.Data;

/// <summary>A file on its way to a reader, hashed as it passes: whoever reads through this has read the very bytes that
/// the hash is of.</summary>
/// <remarks>Bytes come from the file once, in blocks, and are hashed there. Going back is allowed as far as the first
/// block, so that a reader may look at how a file begins; it gets the same bytes again, whatever the file has become
/// meanwhile. Letting go of it leaves the file open: a reader that unpacks may stop before the file's end, and what is
/// left must be hashed too (<see cref="HashRest"/>).</remarks>
internal sealed class HashedStream(Stream file, IncrementalHash hash) : Stream
{
    private const int BlockBytes = 1 << 20;
    private readonly byte[] block = new byte[BlockBytes];
    private long blockBegin;
    private int blockLength;
    private int next; // in the block

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => blockBegin + next;
        set =>
            next =
                value >= blockBegin && value <= blockBegin + blockLength
                    ? (int)(value - blockBegin)
                    : throw new NotSupportedException("bytes that were let go cannot be read again");
    }

    public override int Read(Span<byte> buffer)
    {
        if (next == blockLength)
            NextBlock();
        var count = Math.Min(buffer.Length, blockLength - next);
        block.AsSpan(next, count).CopyTo(buffer);
        next += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <summary>Hashes what the reader left.</summary>
    public void HashRest()
    {
        do NextBlock();
        while (blockLength > 0);
    }

    private void NextBlock()
    {
        blockBegin += blockLength;
        (blockLength, next) = (file.Read(block), 0);
        hash.AppendData(block, 0, blockLength);
    }

    public override void Flush()
    {
        // Nothing is ever written.
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
