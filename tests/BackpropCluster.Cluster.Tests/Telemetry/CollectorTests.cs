using System.Diagnostics;
using System.Globalization;
using BackpropCluster.ClusterTests.Otlp;
using BackpropCluster.ClusterTests.Processes;
using BackpropCluster.Grains.Actors;

namespace BackpropCluster.ClusterTests.Telemetry;

/// <summary>A collector that does not do its part harms nobody.</summary>
public sealed class CollectorTests : IDisposable
{
    private const long MiB = 1 << 20;
    private readonly Backprop backprop = new();

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task ACollectorThatIsDownChangesNoBit()
    {
        var port = RedisServer.FreePort();
        await TrainsToTheReference([
            ("OTEL_EXPORTER_OTLP_ENDPOINT", $"http://127.0.0.1:{port}"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
        ]);
    }

    [Theory]
    [InlineData("Slow"), InlineData("Refuses"), InlineData("Hangs")]
    public async Task ACollectorThatDoesNotAnswerAsItShouldChangesNoBit(string manner)
    {
        await using var receiver = await OtlpReceiver.Start(Enum.Parse<Collector>(manner));
        await TrainsToTheReference(receiver.Variables);
        Assert.True(receiver.Requests > 0, "nothing was sent to the collector");
    }

    /// <summary>170,000 spans, of which 16,384 at most wait for the collector.</summary>
    [Fact, Trait("length", "soak")]
    public async Task WhatWaitsForAHangingCollectorIsBounded()
    {
        RequiresLongTests.Need();
        await using var answering = await OtlpReceiver.Start();
        await using var hanging = await OtlpReceiver.Start(Collector.Hangs);
        var (peak, all) = await Peak(answering);
        var (peakWhileHanging, lost) = await Peak(hanging);
        TestContext.Current.TestOutputHelper?.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"peak {peak / MiB} MiB, with a hanging collector {peakWhileHanging / MiB} MiB"
            )
        );
        Assert.Equal(all, lost);
        Assert.True(peakWhileHanging < peak + (128 * MiB), $"{peakWhileHanging / MiB} MiB against {peak / MiB} MiB");
    }

    /// <summary>Steps a second of a run whose collector is down, hangs or refuses, beside one whose collector answers:
    /// by turns, the best third of each, since what else goes on in a machine only ever makes a process slower. What it
    /// costs to send at all is shown too.</summary>
    [Fact, Trait("length", "soak")]
    public async Task ACollectorThatDoesNotDoItsPartCostsNoMoreThanThreePercentOfAStep()
    {
        RequiresLongTests.Need();
        const int Turns = 11;
        await using var answering = await OtlpReceiver.Start();
        await using var hanging = await OtlpReceiver.Start(Collector.Hangs);
        await using var refusing = await OtlpReceiver.Start(Collector.Refuses);
        (string Name, (string, string)[] Variables)[] manners =
        [
            ("none", []),
            ("answers", answering.Variables),
            ("hangs", hanging.Variables),
            ("refuses", refusing.Variables),
            (
                "down",
                [
                    .. hanging.Variables.Where(v => v.Name != "OTEL_EXPORTER_OTLP_ENDPOINT"),
                    ("OTEL_EXPORTER_OTLP_ENDPOINT", $"http://127.0.0.1:{RedisServer.FreePort()}"),
                ]
            ),
        ];
        var rates = manners.ToDictionary(m => m.Name, _ => new List<double>());
        for (var turn = 0; turn < Turns; turn++)
            foreach (var (name, variables) in manners)
                rates[name]
                    .Add(
                        (await Train(variables, "digits", "training.epochs=500", "cluster.silos=1"))
                            .Result.GetProperty("stepsPerSecond")
                            .GetDouble()
                    );
        var best = rates.ToDictionary(r => r.Key, r => r.Value.OrderDescending().Take(Turns / 3).Average());
        var told = string.Join(
            ", ",
            best.Select(m =>
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{m.Key} {m.Value:0} steps/s ({m.Value / best["answers"]:0.000})"
                )
            )
        );
        TestContext.Current.TestOutputHelper?.WriteLine(told);
        Assert.All(
            ((string[])["hangs", "refuses", "down"]).Select(name => best[name]),
            rate => Assert.True(rate >= 0.97 * best["answers"], told)
        );
    }

    private async Task TrainsToTheReference((string, string)[] variables)
    {
        var run = await Train(variables, "xor", "training.epochs=100", "trace.every=1");
        var file = Cli.RunFiles.RunFileLoader.Load(
            Path.Combine(Backprop.Root, "examples", "xor.yaml"),
            ["training.epochs=100"]
        );
        Assert.Equal(ProcessRuns.Reference(file).WeightsSha256, run.Result.GetProperty("weightsSha256").GetString());
        // The run's own file does not depend on anybody.
        Assert.Equal(
            Enumerable.Range(1, 100).Select(step => (long?)step),
            WholeTrace.Steps(run.Spans).Select(t => WholeTrace.Check(t).Step)
        );
    }

    private Task<TracedRun> Train((string, string)[] variables, string example, params string[] sets) =>
        TracedRun.Train(backprop, variables, example, sets);

    /// <summary>The most memory that the process had, by its own account while it ran, and what it trained
    /// to.</summary>
    private async Task<(long Bytes, string Hash)> Peak(OtlpReceiver receiver)
    {
        long peak = 0;
        var ended = await backprop.Run(
            receiver.Variables,
            Measure,
            "train",
            Path.Combine(Backprop.Root, "examples", "mazur.yaml"),
            "--set",
            "trace.every=1",
            "--set",
            "training.log_every=200"
        );
        Assert.True(ended.ExitCode == 0, ended.Talk);
        Assert.True(peak > 0, "the process was never measured");
        return (peak, ended.Output.Split('\n').Single(l => l.Contains("sha256", StringComparison.Ordinal)));

        void Measure(Process process, string line)
        {
            try
            {
                process.Refresh();
                peak = Math.Max(peak, process.PeakWorkingSet64);
            }
            catch (InvalidOperationException)
            {
                // It has ended; its last line is read later.
            }
        }
    }
}
