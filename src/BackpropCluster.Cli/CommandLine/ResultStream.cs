using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace BackpropCluster.Cli.CommandLine;

/// <summary>Standard output or standard error: what becomes of a text that nobody takes is decided in one
/// place.</summary>
/// <remarks>A disk that is full, or a descriptor that the shell has closed (<c>&gt;&amp;-</c>), is a user's affair and
/// no defect. A pipe whose reader has gone swallows what it is given, as it always did.</remarks>
/// <param name="console">Where it goes.</param>
/// <param name="unwritten">Told why it could not.</param>
[SuppressMessage(
    "Reliability",
    "CA2000",
    Justification = "A console's streams are the process's: they live as long as it does."
)]
internal sealed class ResultStream(Stream console, Action<Exception> unwritten) : Stream
{
    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Lets the console's writers go by way of this: the result's failure ends the command, that of
    /// diagnostics is nobody's.</summary>
    public static void Install()
    {
        System.Console.SetOut(
            Writer(new ResultStream(System.Console.OpenStandardOutput(), e => throw new ResultUnwrittenException(e)))
        );
        System.Console.SetError(Writer(new ResultStream(System.Console.OpenStandardError(), _ => { })));
    }

    /// <summary>Standard output as bytes.</summary>
    public static Stream Result() =>
        new ResultStream(System.Console.OpenStandardOutput(), e => throw new ResultUnwrittenException(e));

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            console.Write(buffer);
        }
        // Without a descriptor, or with one that something else has taken meanwhile, "access is denied".
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            unwritten(e);
        }
    }

    public override void Flush() => console.Flush();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            console.Dispose();
        base.Dispose(disposing);
    }

    // Without a buffer that a last word could stay in.
    private static TextWriter Writer(Stream stream) =>
        TextWriter.Synchronized(
            new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = true }
        );
}

/// <summary>The result of a command has no place to go.</summary>
internal sealed class ResultUnwrittenException(Exception cause)
    : Exception(
        $"standard output cannot be written: "
            + $"{(cause is UnauthorizedAccessException ? "it is closed" : cause.Message.TrimEnd('.'))}. What the "
            + $"command did is done, and what it trained is in its run folder. Give it a place to write to, and "
            + $"look with: backprop runs list"
    );
