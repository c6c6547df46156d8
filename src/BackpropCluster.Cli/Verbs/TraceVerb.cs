using System.CommandLine;
using System.Globalization;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.Traces;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>trace show|export</c>: who computed what when in the steps that a run recorded.</summary>
internal static class TraceVerb
{
    // A file has no width; eighty columns fit everywhere.
    private const int ColumnsOfAFile = 80;

    private static readonly Dictionary<string, Action<Stream, IReadOnlyList<TraceSpan>>> Formats = new()
    {
        ["perfetto"] = PerfettoJson.Write,
        ["otlp-json"] = OtlpJson.Document,
    };

    public static Command Create() =>
        new("trace", "Look at the steps that a run recorded") { ShowCommand(), ExportCommand() };

    private static Command ShowCommand()
    {
        var (run, step, directory, json) = (
            Run(),
            Step("Which step; the first recorded one if not given."),
            Options.RunDirectory(),
            Options.Json()
        );
        var command = new Command("show", "Print a recorded step as a tree: start, duration, silo, numbers")
        {
            run,
            step,
            directory,
            json,
        };
        command.SetAction(parsed =>
        {
            var file = TraceFile.Open(parsed.GetValue(directory)!, parsed.GetValue(run));
            var traces = file.OfStep(parsed.GetValue(step));
            var spans = file.Spans(traces);
            Warn(file);
            if (parsed.GetValue(json))
                WithStandardOutput(output => TraceReport.Write(output, file, traces, spans));
            else
                Print(file, traces, spans);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command ExportCommand()
    {
        var (run, step, directory) = (Run(), Step("Only this step; all traces if not given."), Options.RunDirectory());
        var to = new Option<string>("--to")
        {
            Description = "otlp-json for Jaeger's search page, perfetto for ui.perfetto.dev.",
            Required = true,
        };
        to.AcceptOnlyFromAmong([.. Formats.Keys]);
        var path = new Option<string?>("--out") { Description = "The file to write; standard output if not given." };
        var command = new Command("export", "Write recorded steps as a file that trace viewers open")
        {
            run,
            step,
            to,
            path,
            directory,
        };
        command.SetAction(parsed =>
        {
            var file = TraceFile.Open(parsed.GetValue(directory)!, parsed.GetValue(run));
            var traces = parsed.GetValue(step) is { } one ? file.OfStep(one) : file.All();
            var spans = file.Spans(traces);
            Warn(file);
            var format = Formats[parsed.GetValue(to)!];
            if (parsed.GetValue(path) is { } target)
                Save(
                    target,
                    output => format(output, spans),
                    $"{N(spans.Count)} spans in {N(traces.Count)} trace{(traces.Count == 1 ? "" : "s")} of run "
                        + $"{file.Run}"
                );
            else
                WithStandardOutput(output => format(output, spans));
            return ExitCode.Done;
        });
        return command;
    }

    private static Argument<string?> Run() =>
        new("RUN")
        {
            Description = "The run's id: its folder's name. The run whose trace was written last if not given.",
            Arity = ArgumentArity.ZeroOrOne,
        };

    private static Option<long?> Step(string description) => new("--step") { Description = description };

    private static void Print(TraceFile file, IReadOnlyList<RecordedTrace> traces, IReadOnlyList<TraceSpan> spans)
    {
        var text = new TraceText(
            System.Console.Out,
            System.Console.IsOutputRedirected ? ColumnsOfAFile : Output.Console.Profile.Width
        );
        foreach (var trace in traces)
        {
            text.Write(file.Run, trace, [.. spans.Where(s => s.TraceId == trace.TraceId)]);
            System.Console.Out.WriteLine();
        }

        System.Console.Out.WriteLine($"recorded steps: {TraceFile.Listed(file.Steps)}");
        var others = file
            .Traces.Where(t => !t.IsStep)
            .GroupBy(t => t.Name)
            .OrderBy(t => t.Key, StringComparer.Ordinal)
            .Select(t => $"{N(t.Count())} × {t.Key}")
            .ToList();
        if (others.Count > 0)
            System.Console.Out.WriteLine($"also recorded: {string.Join(", ", others)}");
    }

    private static void Warn(TraceFile file)
    {
        foreach (var warning in file.Warnings)
            System.Console.Error.WriteLine($"warning: {warning}");
    }

    private static void WithStandardOutput(Action<Stream> write)
    {
        using var output = ResultStream.Result();
        write(output);
        output.Write("\n"u8);
    }

    private static void Save(string path, Action<Stream> write, string what)
    {
        try
        {
            // Beside its name first: a file that was only half written must not look like a trace.
            using (var file = File.Create(path + ".new"))
                write(file);
            File.Move(path + ".new", path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandFailedException(
                ExitCode.File,
                $"{path} cannot be written: {e.Message} Nothing was exported. Choose another --out."
            );
        }

        System.Console.Out.WriteLine($"{path}: {what}");
    }

    private static string N(int number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
