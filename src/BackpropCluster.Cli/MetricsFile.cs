using System.Globalization;
using System.Text.Json;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Cli;

/// <summary>metrics.jsonl: each step's score once and in order, each evaluation after the step whose parameters it read.</summary>
/// <remarks>A run that goes on is told from its first step. What the file has already is compared, not written again; a line that a crash has
/// torn, or that says something else, goes with all that follow it, since what the coordinator tells is sealed and the file is not.</remarks>
internal sealed class MetricsFile : IDisposable
{
    private readonly string path;
    private readonly FileStream file;
    private readonly StreamWriter writer;
    private StreamReader? known; // while lines of an earlier session are compared
    private long kept;
    private int steps;

    public MetricsFile(string path)
    {
        this.path = path;
        file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        writer = new StreamWriter(file, leaveOpen: true) { NewLine = "\n" };
        known = new StreamReader(file, leaveOpen: true);
    }

    /// <summary>Takes the scores that follow those it has taken.</summary>
    /// <param name="losses">Of the next steps.</param>
    /// <param name="evaluations">Of versions up to the last of these steps.</param>
    public void Write(IEnumerable<Score> losses, IEnumerable<EvaluationScore> evaluations)
    {
        var waiting = new Queue<EvaluationScore>(evaluations);
        Evaluated();
        foreach (var score in losses)
        {
            Line(new { kind = "step", step = ++steps, loss = score.Loss, accuracy = score.Accuracy });
            Evaluated();
        }

        writer.Flush();

        void Evaluated()
        {
            while (waiting.TryPeek(out var next) && next.Version <= steps)
                Line(new { kind = "evaluation", step = waiting.Dequeue().Version, loss = next.Score.Loss, accuracy = next.Score.Accuracy });
        }
    }

    public void Dispose()
    {
        known?.Dispose();
        writer.Dispose();
        file.Dispose();
    }

    private void Line(object values)
    {
        var line = JsonSerializer.Serialize(values);
        if (known is not null)
        {
            var there = known.ReadLine();
            var isWhole = kept + line.Length + 1 <= file.Length;
            if (there == line && isWhole)
            {
                kept += line.Length + 1; // a number's and a name's characters are a byte each
                return;
            }

            EndComparing(there is null || !isWhole);
        }

        writer.WriteLine(line);
    }

    private void EndComparing(bool isEnd)
    {
        if (!isEnd)
            System.Console.Error.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"warning: {path} says something else than the run after byte {kept}; it is written anew from there"));
        known!.Dispose();
        known = null;
        file.SetLength(kept);
        file.Position = kept;
    }
}
