using System.Globalization;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Traces;

/// <summary>The trace of a run, <c>runs/{run}/trace.otlp.jsonl</c>: which traces are in it, and the spans of
/// some.</summary>
/// <remarks>Opening reads the file once and keeps one line a trace, <see cref="Spans"/> reads it again: a long run's
/// file may be far larger than what is looked at.</remarks>
internal sealed class TraceFile
{
    public const string FileName = "trace.otlp.jsonl";
    private const int MaxStepsListed = 12;
    private const string Cure = "Train with trace.first or trace.every, e.g. --set trace.first=3.";

    private readonly string path;
    private readonly List<string> warnings = [];

    private TraceFile(string run, string path)
    {
        (Run, this.path) = (run, path);
        var found = new Dictionary<string, RecordedTrace>();
        foreach (var span in OtlpJsonReader.Read(path, warnings.Add))
            found[span.TraceId] = found.TryGetValue(span.TraceId, out var known)
                ? known.With(span)
                : RecordedTrace.Of(span);
        Traces = [.. found.Values.OrderBy(t => t.StartUnixNano).ThenBy(t => t.TraceId, StringComparer.Ordinal)];
    }

    /// <summary>The run's id.</summary>
    public string Run { get; }

    /// <summary>Every trace in the file, by start; there may be none yet.</summary>
    public IReadOnlyList<RecordedTrace> Traces { get; }

    /// <summary>The recorded training steps, ascending.</summary>
    public IReadOnlyList<long> Steps => [.. Traces.Where(t => t.IsStep).Select(t => t.Step!.Value).Distinct().Order()];

    /// <summary>What was left out while reading, and why.</summary>
    public IReadOnlyList<string> Warnings => warnings;

    /// <summary>The trace of a run; without one, of the run in the folder whose trace was written last.</summary>
    /// <exception cref="CommandFailedException">There is none, or it is broken.</exception>
    public static TraceFile Open(string directory, string? run)
    {
        run ??=
            Latest(directory)
            ?? throw new CommandFailedException(
                ExitCode.File,
                $"no run in {directory} has a {FileName}. Nothing was written. {Cure}"
            );
        var folder = RunFolder.PathOf(directory, run);
        if (!Directory.Exists(folder))
            throw new CommandFailedException(
                ExitCode.Usage,
                $"there is no run {run} in {directory}. Nothing was written. See: backprop runs list --run-dir "
                    + $"{directory}"
            );
        var path = Path.Combine(folder, FileName);
        return File.Exists(path)
            ? new TraceFile(run, path)
            : throw new CommandFailedException(
                ExitCode.File,
                $"{path} does not exist: run {run} recorded no trace. Nothing was written. {Cure}"
            );
    }

    /// <summary>Every trace in the file.</summary>
    /// <exception cref="CommandFailedException">There is none.</exception>
    public IReadOnlyList<RecordedTrace> All() =>
        Traces.Count > 0
            ? Traces
            : throw new CommandFailedException(ExitCode.File, $"{path} holds no trace. Nothing was written. {Cure}");

    /// <summary>The traces of a step, the first recorded one if not given. More than one where a recovery made it be
    /// computed again.</summary>
    /// <exception cref="CommandFailedException">It was not recorded.</exception>
    public IReadOnlyList<RecordedTrace> OfStep(long? step)
    {
        if (Steps.Count == 0)
            throw new CommandFailedException(
                ExitCode.File,
                $"{path} holds no training step{Others()}. Nothing was written. {Cure}"
            );
        step ??= Steps[0];
        List<RecordedTrace> ofStep = [.. Traces.Where(t => t.IsStep && t.Step == step)];
        return ofStep.Count > 0
            ? ofStep
            : throw new CommandFailedException(
                ExitCode.Usage,
                $"step {step} of run {Run} was not recorded. Nothing was written. Recorded are steps {Listed(Steps)}."
            );
    }

    /// <summary>The spans of some traces, in the order of the file. A span that stands there twice comes
    /// once.</summary>
    public IReadOnlyList<TraceSpan> Spans(IEnumerable<RecordedTrace> traces)
    {
        var ids = traces.Select(t => t.TraceId).ToHashSet();
        var seen = new HashSet<(string, string)>();
        var spans = new List<TraceSpan>();
        var repeated = 0;
        // The last line was warned about when the file was opened.
        foreach (var span in OtlpJsonReader.Read(path, _ => { }).Where(s => ids.Contains(s.TraceId)))
        {
            if (seen.Add((span.TraceId, span.SpanId)))
                spans.Add(span);
            else
                repeated++;
        }

        if (repeated > 0)
            warnings.Add($"{path}: {repeated} spans stand in the file more than once; the first of each is used.");
        return spans;
    }

    /// <summary>Steps as a short list: "1, 2, 3, 50, … 2000 (43 in all)".</summary>
    public static string Listed(IReadOnlyList<long> steps)
    {
        var first = string.Join(", ", steps.Take(MaxStepsListed));
        return steps.Count <= MaxStepsListed ? first : $"{first}, … {steps[^1]} ({steps.Count} in all)";
    }

    // By the trace, not by the folder: a run that goes on is the latest again.
    private static string? Latest(string directory) =>
        Directory.Exists(directory)
            ? new DirectoryInfo(directory)
                .EnumerateDirectories()
                .Select(d => new FileInfo(Path.Combine(d.FullName, FileName)))
                .Where(f => f.Exists)
                .OrderBy(f => f.LastWriteTimeUtc)
                .ThenBy(f => f.DirectoryName, StringComparer.Ordinal)
                .LastOrDefault()
                ?.Directory?.Name
            : null;

    private string Others() =>
        Traces.Count == 0 ? "" : $", only {string.Join(", ", Traces.Select(t => t.Name).Distinct())}";
}

/// <summary>One trace of a file.</summary>
/// <param name="TraceId">Its id.</param>
/// <param name="Root">The root's name; <see langword="null"/> where the root is not in the file, as after a crash
/// within the step.</param>
/// <param name="Step">The training step that it belongs to, as the root says, or else any of its spans.</param>
/// <param name="StartUnixNano">The earliest start of a span.</param>
internal sealed record RecordedTrace(string TraceId, string? Root, long? Step, ulong StartUnixNano)
{
    /// <summary>The root's name, or what is missing.</summary>
    public string Name => Root ?? "a trace without its root";

    /// <summary>Whether it is a training step, or what is left of one.</summary>
    public bool IsStep => Step is not null && Root is TraceWords.TrainStep or null;

    public static RecordedTrace Of(TraceSpan span) =>
        new(span.TraceId, span.ParentSpanId is null ? span.Name : null, span.Step, span.StartUnixNano);

    public RecordedTrace With(TraceSpan span) =>
        span.ParentSpanId is null && Root is null
            ? this with
            {
                Root = span.Name,
                Step = span.Step ?? Step,
                StartUnixNano = Math.Min(StartUnixNano, span.StartUnixNano),
            }
            : this with
            {
                Step = Step ?? span.Step,
                StartUnixNano = Math.Min(StartUnixNano, span.StartUnixNano),
            };
}
