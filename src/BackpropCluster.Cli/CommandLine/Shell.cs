using System.CommandLine;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.Cli.CommandLine;

/// <summary>Runs a command line and turns every end into an exit code and at most two lines.</summary>
internal static class Shell
{
    [SuppressMessage(
        "Design",
        "CA1031",
        Justification = "The last catch: whatever is left is an internal error, and its stack trace belongs into a "
            + "report, not on a user's screen."
    )]
    public static async Task<int> Run(RootCommand root, string[] args, CancellationToken interruption = default)
    {
        var parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            var errors = string.Join(" ", parsed.Errors.Select(e => e.Message));
            return Say($"{errors} Nothing was started. See: backprop {CommandPath(parsed)}--help", ExitCode.Usage);
        }

        try
        {
            return await parsed.InvokeAsync(
                new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null },
                interruption
            );
        }
        catch (Exception e)
        {
            var (text, code) = Explain(e);
            return Say(text, code);
        }
    }

    private static (string Text, int Code) Explain(Exception error) =>
        error switch
        {
            CommandFailedException failed => (failed.Message, failed.ExitCode),
            RunFiles.RunFileException => (error.Message, ExitCode.Usage),
            // Data are read before silos are asked for anything.
            Core.Data.DataException data => (
                $"{data.File}: {data.What}. Nothing was started. " + $"{data.Cure}",
                ExitCode.File
            ),
            PortTakenException
            or ClusterUnreachableException
            or Grains.Checkpoints.StoreUnreachableException
            or ClusterLostException
            or RunTakenException => (error.Message, ExitCode.ClusterLost),
            SiloRefusedException or Grains.Checkpoints.RecordFormatException => (error.Message, ExitCode.File),
            Grains.Checkpoints.BrokenRecordException => (
                $"{error.Message}. Nothing was changed. Restore it, or train anew under another id.",
                ExitCode.VerificationFailed
            ),
            Core.Protocol.DivergenceException => (
                $"{error.Message}. No number of this run can be trusted; please report it.",
                ExitCode.VerificationFailed
            ),
            ResultUnwrittenException => (error.Message, ExitCode.Unwritten),
            Grains.Telemetry.EndpointException => ($"{error.Message} Nothing was started.", ExitCode.Usage),
            OperationCanceledException => ("interrupted; nothing was saved.", ExitCode.Interrupted),
            _ => (
                $"an internal error: {error.GetType().Name}: {error.Message} The report is {Report(error)}; please "
                    + "send it with the run file.",
                ExitCode.InternalError
            ),
        };

    private static string CommandPath(ParseResult parsed)
    {
        var names = new Stack<string>();
        for (
            var command = parsed.CommandResult;
            command?.Parent is not null;
            command = command.Parent as System.CommandLine.Parsing.CommandResult
        )
            names.Push(command.Command.Name + " ");
        return string.Concat(names);
    }

    private static int Say(string message, int exitCode)
    {
        System.Console.Error.WriteLine($"backprop: {message}");
        return exitCode;
    }

    private static string Report(Exception e)
    {
        var path = Path.Combine(
            Path.GetTempPath(),
            string.Create(CultureInfo.InvariantCulture, $"backprop-report-{Environment.ProcessId}.txt")
        );
        File.WriteAllText(
            path,
            $"{string.Join(' ', Environment.GetCommandLineArgs().Select(WithoutPassword))}{Environment.NewLine}"
                + $"{Environment.Version}{Environment.NewLine}{e}{Environment.NewLine}"
        );
        return path;
    }

    // A report is sent to others.
    internal static string WithoutPassword(string argument) =>
        argument.IndexOf("redis:", StringComparison.Ordinal) is >= 0 and var at
            ? argument[..at]
                + (ClusterAddress.TryParse(argument[at..], out var address) ? address.ToString() : "redis:…")
            : argument;
}
