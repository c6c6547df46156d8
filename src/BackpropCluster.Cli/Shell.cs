using System.CommandLine;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using BackpropCluster.Grains;
using BackpropCluster.Grains.Clustering;

namespace BackpropCluster.Cli;

/// <summary>Runs a command line and turns every end into an exit code and at most two lines.</summary>
internal static class Shell
{
    [SuppressMessage("Design", "CA1031", Justification = "The last catch: whatever is left is a bug of ours, and its stack trace belongs into a report, not on a user's screen.")]
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
            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, interruption);
        }
        catch (CommandFailedException e)
        {
            return Say(e.Message, e.ExitCode);
        }
        catch (RunFiles.RunFileException e)
        {
            return Say(e.Message, ExitCode.Usage);
        }
        catch (Core.Data.DataException e)
        {
            // Data are read before silos are asked for anything.
            return Say($"{e.File}: {e.What}. Nothing was started. {e.Cure}", ExitCode.File);
        }
        catch (Exception e) when (e is PortTakenException or ClusterUnreachableException or Grains.Checkpoints.StoreUnreachableException or ClusterLostException or RunTakenException)
        {
            return Say(e.Message, ExitCode.ClusterLost);
        }
        catch (SiloRefusedException e)
        {
            return Say(e.Message, ExitCode.File);
        }
        catch (Grains.Checkpoints.BrokenRecordException e)
        {
            return Say($"{e.Message}. Nothing was changed. Restore it, or train anew under another id.", ExitCode.VerificationFailed);
        }
        catch (Core.Protocol.DivergenceException e)
        {
            return Say($"{e.Message}. No number of this run can be trusted; please report it.", ExitCode.VerificationFailed);
        }
        catch (ResultUnwrittenException e)
        {
            return Say(e.Message, ExitCode.Unwritten);
        }
        catch (Grains.Telemetry.EndpointException e)
        {
            return Say($"{e.Message} Nothing was started.", ExitCode.Usage);
        }
        catch (OperationCanceledException)
        {
            return Say("interrupted; nothing was saved.", ExitCode.Interrupted);
        }
        catch (Exception e)
        {
            return Say($"a bug of ours: {e.GetType().Name}: {e.Message} The report is {Report(e)}; please send it with the run file.", ExitCode.Defect);
        }
    }

    private static string CommandPath(ParseResult parsed)
    {
        var names = new Stack<string>();
        for (var command = parsed.CommandResult; command?.Parent is not null; command = command.Parent as System.CommandLine.Parsing.CommandResult)
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
        var path = Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"backprop-report-{Environment.ProcessId}.txt"));
        File.WriteAllText(path, $"{string.Join(' ', Environment.GetCommandLineArgs().Select(WithoutPassword))}{Environment.NewLine}{Environment.Version}{Environment.NewLine}{e}{Environment.NewLine}");
        return path;
    }

    // A report is sent to others.
    internal static string WithoutPassword(string argument) => argument.IndexOf("redis:", StringComparison.Ordinal) is >= 0 and var at
        ? argument[..at] + (ClusterAddress.TryParse(argument[at..], out var address) ? address.ToString() : "redis:…")
        : argument;
}
