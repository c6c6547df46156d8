using System.Diagnostics;
using BackpropCluster.ClusterTests.Processes;

namespace BackpropCluster.ClusterTests.Files;

/// <summary>Paths that lead to something else than a file: each is one clear error, at once, and a signal ends whatever
/// waits.</summary>
public sealed class OddFileTests : IDisposable
{
    private static readonly TimeSpan AtOnce = TimeSpan.FromSeconds(20);
    private readonly Backprop backprop = new();

    public OddFileTests() => Assert.SkipUnless(OperatingSystem.IsLinux(), "pipes and /proc are Linux's");

    public void Dispose() => backprop.Dispose();

    [Theory]
    [InlineData("pipe", "is a pipe, a device or a socket")]
    [InlineData("/proc/self/mem", "cannot be read")]
    [InlineData("/dev/tty", "")]
    [InlineData(".", "cannot be read")]
    public async Task RowsThatAreNotInAFileAreRefusedAtOnce(string path, string says)
    {
        MakePipe();
        foreach (
            var (name, yaml) in new[]
            {
                ("csv", Yaml($"source: csv, file: {path}, target: t")),
                ("idx", Yaml($"source: idx, images: {path}, labels: {path}")),
                ("init", Yaml("source: xor", $", init: {{ file: {path} }}")),
            }
        )
        {
            await File.WriteAllTextAsync(
                Path.Combine(backprop.Folder, $"{name}.yaml"),
                yaml,
                TestContext.Current.CancellationToken
            );
            await using var check = Child.Backprop(backprop.Folder, "config", "check", $"{name}.yaml");
            Assert.True(
                await Reliability.Faults.ComesAbout(() => !check.IsRunning, AtOnce),
                $"config check of {name}.yaml with {path} did not end within {AtOnce.TotalSeconds} s"
            );
            Mistake.Assert(await check.Ends(), 6, says, "Nothing was started.");
        }
    }

    /// <summary>A run file may come through a pipe; one that nobody writes is waited for, and not after a
    /// signal.</summary>
    [Theory, InlineData("INT", 130), InlineData("TERM", 130)]
    public async Task ASignalEndsAProgramThatWaitsForItsRunFile(string signal, int exitCode)
    {
        MakePipe();
        await using var train = Child.Backprop(backprop.Folder, "train", "pipe");
        // Opens when the program waits at the other end, and then says nothing.
        await using var silent = await Task.Run(() =>
                new FileStream(Path.Combine(backprop.Folder, "pipe"), FileMode.Open, FileAccess.Write)
            )
            .WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        train.Signal(signal);
        Assert.True(
            await Reliability.Faults.ComesAbout(() => !train.IsRunning, AtOnce),
            $"SIG{signal} did not end the program within {AtOnce.TotalSeconds} s"
        );
        Assert.Equal(exitCode, (await train.Ends()).ExitCode);
    }

    private void MakePipe()
    {
        using var make = Process.Start("mkfifo", [Path.Combine(backprop.Folder, "pipe")]);
        Assert.True(make.WaitForExit(TimeSpan.FromSeconds(5)), "mkfifo did not end within 5 s");
    }

    private static string Yaml(string data, string init = "") =>
        $"version: 1\ndata: {{ {data} }}\nmodel: {{ layers: [ {{ units: 1, activation: identity{init} }} ], loss: "
        + $"mean_squared_error }}\noptimizer: {{ kind: sgd, learning_rate: 0.1 }}\ntraining: {{ epochs: 1 }}\n";
}
