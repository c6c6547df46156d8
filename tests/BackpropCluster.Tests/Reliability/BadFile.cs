using BackpropCluster.Cli;
using BackpropCluster.Cli.CommandLine;

namespace BackpropCluster.Tests.Reliability;

/// <summary>A file that a command must refuse.</summary>
/// <param name="Name">What is wrong with it.</param>
/// <param name="ExitCode">2 for a run file, 6 for data.</param>
/// <param name="Says">Parts of the error.</param>
/// <param name="Write">Writes the files into an empty folder and says what to do with them there.</param>
internal sealed record BadFile(string Name, int ExitCode, string[] Says, Func<string, string[]> Write)
{
    private static readonly TimeSpan MostTime = TimeSpan.FromSeconds(1);
    private const long MostBytes = 256L << 20;

    /// <summary>Runs the command in this process; its streams are the process's own, so no other test may run
    /// meanwhile.</summary>
    /// <returns>What is wrong with how the file was refused; empty if nothing is.</returns>
    public async Task<string> Refused()
    {
        var (took, faults) = await Attempt();
        // Beside a long case the runtime compiles anew what all cases before it have used: that comes once, the file's
        // own time each time.
        if (took > MostTime)
            took = (await Attempt()).Took;
        return string.Join(
            "; ",
            faults.Concat(took > MostTime ? [$"it took {took.TotalSeconds:0.0} s of the processors' time"] : [])
        );
    }

    private async Task<(TimeSpan Took, string[] Faults)> Attempt()
    {
        var folder = Directory.CreateTempSubdirectory("backprop-bad-");
        var (output, error) = (Console.Out, Console.Error);
        using var talk = new StringWriter();
        using var result = new StringWriter();
        try
        {
            var arguments = Write(folder.FullName);
            var before = Directory.GetFileSystemEntries(folder.FullName, "*", SearchOption.AllDirectories);
            var (held, time) = (GC.GetTotalMemory(forceFullCollection: false), Environment.CpuUsage.TotalTime);
            using var peak = new Peak();
            Console.SetOut(result);
            Console.SetError(talk);
            var exitCode = await Shell.Run(Program.Root(), arguments);
            var (took, grown) = (Environment.CpuUsage.TotalTime - time, peak.Bytes - held);
            var after = Directory.GetFileSystemEntries(folder.FullName, "*", SearchOption.AllDirectories);
            return (
                took,
                [
                    .. Faults(exitCode, talk.ToString(), result.ToString(), grown),
                    .. after.Length == before.Length ? Array.Empty<string>() : ["something was written"],
                ]
            );
        }
        finally
        {
            Console.SetOut(output);
            Console.SetError(error);
            folder.Delete(recursive: true);
        }
    }

    private IEnumerable<string> Faults(int exitCode, string talk, string result, long bytes)
    {
        if (exitCode != ExitCode)
            yield return $"exit code {exitCode}: {talk}";
        foreach (var part in Says)
            if (!talk.Contains(part, StringComparison.Ordinal))
                yield return $"'{part}' is not said: {talk}";
        if (
            !talk.StartsWith("backprop: ", StringComparison.Ordinal)
            || talk.TrimEnd('\n').Split('\n').Length > 2
            || talk.Contains("   at ", StringComparison.Ordinal)
        )
            yield return $"not one clear error: {talk}";
        if (talk.TrimEnd('\n').Any(c => char.IsControl(c) && c != '\n'))
            yield return "characters of control reach the terminal";
        if (result.Length > 0)
            yield return $"a result was printed: {result}";
        if (bytes > MostBytes)
            yield return $"it took {bytes >> 20} MiB";
    }

    /// <summary>The most memory that is held at any time.</summary>
    private sealed class Peak : IDisposable
    {
        private readonly Timer timer;
        private long bytes;

        public Peak() => timer = new Timer(_ => Look(), null, TimeSpan.Zero, TimeSpan.FromMilliseconds(5));

        public long Bytes
        {
            get
            {
                Look();
                return Interlocked.Read(ref bytes);
            }
        }

        public void Dispose() => timer.Dispose();

        private void Look()
        {
            var now = GC.GetTotalMemory(forceFullCollection: false);
            if (now > Interlocked.Read(ref bytes))
                Interlocked.Exchange(ref bytes, now);
        }
    }
}
