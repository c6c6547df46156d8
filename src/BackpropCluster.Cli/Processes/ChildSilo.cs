using System.Diagnostics;
using BackpropCluster.Cli.CommandLine;

namespace BackpropCluster.Cli.Processes;

/// <summary>A silo in a process of its own, started and ended by this one.</summary>
internal sealed class ChildSilo : IAsyncDisposable
{
    private static readonly TimeSpan StartBound = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan EndBound = TimeSpan.FromSeconds(10);
    private readonly Process process;

    private ChildSilo(Process process, string name) => (this.process, Name) = (process, name);

    public string Name { get; }

    /// <summary>Starts a silo and waits until it is a member.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="arguments">What <c>backprop silo</c> is told besides.</param>
    /// <exception cref="CommandFailedException">It ended, or was no member within a minute.</exception>
    public static async Task<ChildSilo> Start(string name, params IEnumerable<string> arguments)
    {
        // The very program that runs now: its own executable, or dotnet with its assembly.
        var own = Environment.ProcessPath!;
        var start = new ProcessStartInfo(own)
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
        };
        if (Path.GetFileNameWithoutExtension(own) == "dotnet")
            start.ArgumentList.Add(typeof(ChildSilo).Assembly.Location);
        foreach (var argument in (string[])["silo", "--name", name, .. arguments])
            start.ArgumentList.Add(argument);
        var process =
            Process.Start(start)
            ?? throw new CommandFailedException(ExitCode.ClusterLost, $"{own} cannot be started. Nothing was started.");
        var member = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var said = "";
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data?.Contains("is a member of", StringComparison.Ordinal) == true)
                member.TrySetResult(null);
            else if (line.Data is not null)
                said = line.Data;
            else
                member.TrySetResult(said);
        };
        process.OutputDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        var silo = new ChildSilo(process, name);
        try
        {
            return await member.Task.WaitAsync(StartBound) is not { } problem
                ? silo
                : throw new CommandFailedException(
                    ExitCode.ClusterLost,
                    $"silo {name} ended before it was a member: {problem}"
                );
        }
        catch (Exception e)
        {
            await silo.DisposeAsync();
            throw e is TimeoutException
                ? new CommandFailedException(
                    ExitCode.ClusterLost,
                    $"silo {name} was no member within {StartBound.TotalSeconds} s."
                )
                : e;
        }
    }

    /// <summary>Ends it in the middle of whatever it does.</summary>
    public async Task Kill()
    {
        process.Kill();
        await process.WaitForExitAsync().WaitAsync(EndBound);
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
            await Kill();
        process.Dispose();
    }
}
