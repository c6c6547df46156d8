using System.Collections.Concurrent;
using System.Globalization;
using BackpropCluster.ClusterTests.Reliability;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>A signal may come at any moment of a start: the command ends as one that was interrupted, and leaves
/// nothing.</summary>
public sealed class SignalsAtStartTests
{
    private const int Continue = 18;
    private static readonly TimeSpan FirstSeconds = TimeSpan.FromSeconds(3);

    // What was killed with it may take a moment to be gone.
    private static readonly TimeSpan LeftBound = TimeSpan.FromSeconds(5);

    private static readonly (string Verb, Func<string[]> Arguments, int[] Ends)[] Commands =
    [
        (
            "train",
            () =>
                [
                    Path.Combine(Backprop.Root, "examples", "xor.yaml"),
                    "--set",
                    "cluster.silos=2",
                    "--set",
                    "training.epochs=10000000",
                ],
            [130]
        ),
        (
            "silo",
            () => ["--cluster", string.Create(CultureInfo.InvariantCulture, $"localhost:{RedisServer.FreePort()}")],
            [0, 130]
        ),
        // It is done within the first seconds where the machine is fast.
        ("doctor", () => [], [0, 130]),
    ];

    [Fact]
    public Task ASignalEndsTheStartOfACommandInGoodOrder() =>
        AtEach(TimeSpan.FromMilliseconds(500), number => [number % 2 == 0 ? "INT" : "TERM"]);

    [Fact, Trait("length", "long")]
    public Task ASignalEndsTheStartOfACommandInGoodOrderAtEveryMoment()
    {
        RequiresLongTests.Need();
        return AtEach(TimeSpan.FromMilliseconds(100), _ => ["INT", "TERM"]);
    }

    private static async Task AtEach(TimeSpan apart, Func<int, string[]> signals)
    {
        var failures = new ConcurrentBag<string>();
        await Parallel.ForEachAsync(
            from command in Commands
            from number in Enumerable.Range(1, (int)(FirstSeconds / apart))
            from signal in signals(number)
            select (command, signal, moment: number * apart),
            new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount + 1 },
            async (at, _) =>
            {
                if (
                    await Failure(at.command.Verb, at.command.Arguments(), at.command.Ends, at.signal, at.moment) is
                    { } failure
                )
                    failures.Add($"{at.command.Verb}, SIG{at.signal} after {at.moment.TotalSeconds:0.0} s: {failure}");
            }
        );
        Assert.True(failures.IsEmpty, string.Join('\n', failures.Order(StringComparer.Ordinal)));
    }

    private static async Task<string?> Failure(
        string verb,
        string[] arguments,
        int[] ends,
        string signal,
        TimeSpan moment
    )
    {
        using var backprop = new Backprop();
        await using var command = Child.Backprop(backprop.Folder, [verb, .. arguments]);
        await Faults.Hold(moment);
        var isListening = IsListening(command.Id);
        command.Signal(signal);
        var ended = await command.Ends();

        // Nobody but the system answers before the program is there.
        var isItself = isListening || ended.ExitCode is not (130 or 143);
        if (isItself && !ends.Contains(ended.ExitCode))
            return $"exit code {ended.ExitCode}: {ended.Talk}";
        if (
            ended.Talk.Contains(" internal error", StringComparison.Ordinal)
            || ended.Talk.Contains("   at ", StringComparison.Ordinal)
        )
            return ended.Talk;
        // A run that had begun is saved, as at any later moment, and says so.
        var hasBegun = ended.Talk.Contains("train --resume", StringComparison.Ordinal);
        if (!hasBegun && backprop.LeftBehind.Any())
            return $"it left {string.Join(", ", backprop.LeftBehind)}; it said: {ended.Talk}";
        if (hasBegun && !backprop.LeftBehind.Any(path => path.EndsWith("manifest.json", StringComparison.Ordinal)))
            return $"there is no run to go on with: {ended.Talk}";
        var isAlone = await Faults.ComesAbout(() => Running(backprop.Folder) is null, LeftBound);
        return isAlone ? null : $"{Running(backprop.Folder)} is left running; it said: {ended.Talk}";
    }

    // The runtime's own handlers of this one stand when the program registers its first, and not before.
    private static bool IsListening(int id)
    {
        try
        {
            var caught = File.ReadLines($"/proc/{id}/status")
                .First(line => line.StartsWith("SigCgt:", StringComparison.Ordinal));
            return (
                    ulong.Parse(
                        caught.AsSpan("SigCgt:".Length).Trim(),
                        NumberStyles.HexNumber,
                        CultureInfo.InvariantCulture
                    ) & (1UL << (Continue - 1))
                ) != 0;
        }
        catch (IOException)
        {
            return true; // it has ended by itself
        }
    }

    // Whatever it started works in the same folder.
    private static string? Running(string folder) =>
        Directory
            .EnumerateDirectories("/proc")
            .Where(path => int.TryParse(Path.GetFileName(path), out _))
            .FirstOrDefault(path =>
            {
                try
                {
                    return Directory.ResolveLinkTarget(Path.Combine(path, "cwd"), returnFinalTarget: false)?.FullName
                        == folder;
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    return false; // it has just ended, or is somebody else's
                }
            });
}
