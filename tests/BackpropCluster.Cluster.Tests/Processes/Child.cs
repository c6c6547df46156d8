using System.Diagnostics;
using System.Globalization;
using BackpropCluster.Cli.CommandLine;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>A process that a test has started: all that it says is kept, and it does not outlive the test.</summary>
internal sealed class Child : IAsyncDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    private readonly Process process;
    private readonly string command;
    private readonly Lock gate = new();
    private readonly List<string> output = [];
    private readonly List<string> talk = [];
    private readonly Task ended;
    private TaskCompletionSource news = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private Child(Process process, string command)
    {
        (this.process, this.command) = (process, command);
        process.OutputDataReceived += (_, line) => Keep(output, line.Data);
        process.ErrorDataReceived += (_, line) => Keep(talk, line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        ended = process.WaitForExitAsync();
    }

    public int Id => process.Id;

    public bool IsRunning => !ended.IsCompleted;

    /// <summary>Standard output so far.</summary>
    public string Output => Text(output);

    /// <summary>Standard error so far.</summary>
    public string Diagnostics => Text(talk);

    public static Child Start(string program, string folder, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(program)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        return new Child(Process.Start(start)!, $"{Path.GetFileName(program)} {string.Join(' ', start.ArgumentList)}");
    }

    /// <summary>The program, as a user runs it.</summary>
    public static Child Backprop(string folder, params IEnumerable<string> arguments) =>
        Start("dotnet", folder, [ClusterTests.Backprop.Program, .. arguments]);

    /// <summary>Waits until the process says something.</summary>
    /// <returns>The first line that does.</returns>
    public async Task<string> Says(string text)
    {
        using var bound = new CancellationTokenSource(Bound);
        while (true)
        {
            Task next;
            lock (gate)
            {
                if (
                    output.Concat(talk).FirstOrDefault(line => line.Contains(text, StringComparison.Ordinal)) is
                    { } found
                )
                    return found;
                next = news.Task;
            }

            Assert.False(
                ended.IsCompleted,
                $"'{command}' ended without saying '{text}'; it said: {Output}{Diagnostics}"
            );
            Task either = Task.WhenAny(next, ended);
            await either.WaitAsync(bound.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Assert.False(
                bound.IsCancellationRequested,
                $"'{command}' did not say '{text}' within {Bound.TotalSeconds} s; it said: {Output}{Diagnostics}"
            );
        }
    }

    /// <summary>Waits for the end of the process.</summary>
    public async Task<Ended> Ends()
    {
        var began = Stopwatch.GetTimestamp();
        using var bound = new CancellationTokenSource(Bound);
        await ended.WaitAsync(bound.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Assert.True(
            ended.IsCompleted,
            $"'{command}' did not end within {Bound.TotalSeconds} s; it said: {Output}{Diagnostics}"
        );
        return new Ended(process.ExitCode, Output, Diagnostics, Stopwatch.GetElapsedTime(began));
    }

    /// <summary>Sends a signal, such as TERM, STOP or CONT.</summary>
    public void Signal(string name) => Signal(name, Id);

    /// <summary>Sends a signal to some process.</summary>
    public static void Signal(string name, int id)
    {
        using var kill = Process.Start("kill", [$"-{name}", id.ToString(CultureInfo.InvariantCulture)]);
        Assert.True(kill.WaitForExit(TimeSpan.FromSeconds(5)), $"kill -{name} {id} did not end within 5 s");
    }

    /// <summary>Ends the process at once, without a word of it.</summary>
    public async Task Kill()
    {
        if (!IsRunning)
            return;
        process.Kill();
        await Ends();
    }

    public async ValueTask DisposeAsync()
    {
        await Kill();
        process.Dispose();
    }

    private void Keep(List<string> lines, string? line)
    {
        if (line is null)
            return;
        lock (gate)
        {
            lines.Add(line);
            news.SetResult();
            news = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    private string Text(List<string> lines)
    {
        lock (gate)
            return string.Concat(lines.Select(line => line + "\n"));
    }
}
