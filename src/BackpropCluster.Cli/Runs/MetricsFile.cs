using System.Globalization;
using System.Text.Json;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Cli.Runs;

/// <summary>metrics.jsonl: each step's metrics once and in order, each evaluation after the step whose parameters it
/// read.</summary>
/// <remarks>A run that goes on is told from its first step. What the file has already is compared, not written again; a
/// line that a crash has torn, or that says something else, goes with all that follow it, since what the coordinator
/// tells is sealed and the file is not.</remarks>
internal sealed class MetricsFile : IDisposable
{
    private const int BufferBytes = 1 << 16;
    private readonly string path;
    private readonly FileStream file;
    private bool isComparing; // with lines of an earlier session
    private long kept;
    private int steps;

    public MetricsFile(string path)
    {
        this.path = path;
        file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, BufferBytes);
        isComparing = file.Length > 0;
    }

    /// <summary>Takes the metrics that follow those it has taken.</summary>
    /// <param name="losses">Of the next steps.</param>
    /// <param name="evaluations">Of versions up to the last of these steps.</param>
    public void Write(IEnumerable<BatchMetrics> losses, IEnumerable<EvaluationMetrics> evaluations)
    {
        var waiting = new Queue<EvaluationMetrics>(evaluations);
        Evaluated();
        foreach (var metrics in losses)
        {
            Line(
                new
                {
                    kind = "step",
                    step = ++steps,
                    loss = metrics.Loss,
                    accuracy = metrics.Accuracy,
                }
            );
            Evaluated();
        }

        file.Flush();

        void Evaluated()
        {
            while (waiting.TryPeek(out var next) && next.Version <= steps)
                Line(
                    new
                    {
                        kind = "evaluation",
                        step = waiting.Dequeue().Version,
                        loss = next.Score.Loss,
                        accuracy = next.Score.Accuracy,
                    }
                );
        }
    }

    public void Dispose() => file.Dispose();

    private void Line(object values)
    {
        var line = JsonSerializer.SerializeToUtf8Bytes(values);
        if (isComparing && Stands(line))
            kept += line.Length + 1;
        else
        {
            if (isComparing)
                EndComparing();
            file.Write(line);
            file.WriteByte((byte)'\n');
        }
    }

    // Read as long as the line that is expected, and no further: what stands there may be anything.
    private bool Stands(byte[] line)
    {
        var there = new byte[line.Length + 1];
        return file.ReadAtLeast(there, there.Length, throwOnEndOfStream: false) == there.Length
            && there[^1] == '\n'
            && there.AsSpan(0, line.Length).SequenceEqual(line);
    }

    private void EndComparing()
    {
        isComparing = false;
        // At its end, or in a line that a crash has torn, there is nothing to say.
        var rest = file.Length - kept;
        if (rest > 0 && EndsWithALine())
            System.Console.Error.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"warning: {path} says something else than the run after byte {kept}; it is written anew from there"
                )
            );
        file.SetLength(kept);
        file.Position = kept;
    }

    private bool EndsWithALine()
    {
        file.Position = file.Length - 1;
        return file.ReadByte() == '\n';
    }
}
