using System.Diagnostics;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.ClusterTests.Processes;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.ClusterTests.Reliability;

/// <summary>The store goes away for twenty seconds in the middle of a run that saves often.</summary>
[Collection(SerialTests.Name), Trait("length", "long")]
public sealed class StoreTests
{
    private const string SavesOften = "training.checkpoint_every=20";
    private const int LinesASecond = 10;
    private static readonly TimeSpan Away = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan WordBound = TimeSpan.FromSeconds(30);

    // A store is waited for two minutes.
    private static readonly TimeSpan EndBound = TimeSpan.FromSeconds(180);

    public StoreTests()
    {
        RequiresLongTests.Need();
        RedisServer.Need();
    }

    [Fact]
    public async Task AStoreThatHangsPausesTheRunWhichGoesOnAndNoBitChanges() =>
        await Outage(
            redis =>
            {
                redis.Freeze();
                return Task.CompletedTask;
            },
            redis =>
            {
                redis.Thaw();
                return Task.CompletedTask;
            }
        );

    [Fact]
    public async Task AStoreThatIsRestartedWithItsDataPausesTheRunWhichGoesOnAndNoBitChanges() =>
        await Outage(redis => redis.Stop(), redis => redis.StartAgain());

    [Fact]
    public async Task AStoreThatComesBackEmptyEndsTheRunWithWhatWasLostOrLetsItGoOn()
    {
        await using var cluster = await Faults.Cluster();
        var file = RunFileLoader.Load(ProcessRuns.Write(cluster.Folder), [.. EndlessRun.Sets, SavesOften]);
        var plan = ProcessRuns.Plan(file);
        var (watched, last, pause) = (new Watched(), (RunProgress?)null, (string?)null);
        using var interruption = new CancellationTokenSource();
        var training = TrainingClient.Train(
            cluster.Client.Grains,
            plan,
            TimeSpan.FromSeconds(20),
            Take,
            file.ToYaml(),
            cancellation: interruption.Token
        );
        await watched.Until(p => p.SavedVersion >= 40, "it had saved twice", training);
        var data = await DataFolder(cluster);

        await cluster.Redis.Stop();
        await Faults.Hold(Away);
        Directory.Delete(data, recursive: true);
        var (before, lines) = (Stopwatch.GetTimestamp(), Lines(cluster));
        await cluster.Redis.StartAgain();
        var stepsThen = watched.CommittedSteps;
        var over = await Faults.ComesAbout(
            () => training.IsCompleted || watched.CommittedSteps > stepsThen + 100,
            EndBound
        );
        var took = Stopwatch.GetElapsedTime(before);
        // As long again as the store was away: whoever minds its loss has said so by then, and says it on.
        await Faults.Hold(Away);
        var rate = (Lines(cluster) - lines) / Stopwatch.GetElapsedTime(before).TotalSeconds;
        await interruption.CancelAsync();
        foreach (var silo in cluster.Silos)
            Faults.Tell(
                $"{silo.Name}, " + $"{(silo.Process.IsRunning ? "running" : "ended")}: {Tail(silo.Process.Diagnostics)}"
            );
        Faults.Tell($"paused: {pause}");
        Faults.Tell(
            $"{took.TotalSeconds:0.0} s after the store came back empty the run is {last?.Status} at step "
                + $"{last?.CommittedSteps}, {last?.Failure?.Kind}: {last?.Failure?.Reason}; {rate:0.0} lines a second"
        );
        Assert.True(over, $"{EndBound.TotalSeconds} s after the store came back the run has neither gone on nor ended");
        Assert.True(rate <= LinesASecond, $"{rate:0.0} lines a second on the silos' standard error");
        await training.WaitAsync(WordBound, TestContext.Current.CancellationToken);
        if (last!.Status == RunStatus.Failed)
            Assert.Contains("lost", last.Failure!.Reason, StringComparison.Ordinal);
        else
            Assert.Equal(RunStatus.Interrupted, last.Status);

        void Take(RunProgress progress)
        {
            (last, pause) = (progress, progress.Paused ?? pause);
            watched.Take(progress);
        }
    }

    private static async Task Outage(Func<RedisServer, Task> goes, Func<RedisServer, Task> comes)
    {
        await using var cluster = await Faults.Cluster();
        await using var run = EndlessRun.Begin(cluster.Client.Grains, cluster.Folder, SavesOften);
        await run.Until(p => p.SavedVersion >= 40, "it had saved twice");
        await using var pace = new Pace(() => run.Watched.CommittedSteps);
        var paused = "";

        await goes(cluster.Redis);
        var gone = Stopwatch.GetTimestamp();
        var pausing = run.Until(p => (paused = p.Paused ?? "").Length > 0, "it said that it pauses");
        await Task.WhenAll(Faults.Hold(Away), pausing);
        var stepsThen = run.Watched.CommittedSteps;
        await comes(cluster.Redis);
        var back = Stopwatch.GetTimestamp();
        await run.Until(
            p => p.Paused is null && p.CommittedSteps > stepsThen + 40,
            "it went on after the store came " + "back"
        );
        var again = Stopwatch.GetElapsedTime(back);
        var last = await run.EndsAsTheReference();

        Faults.Tell($"paused at step {stepsThen}: {paused}");
        Faults.Tell(
            $"the store was away for {Stopwatch.GetElapsedTime(gone, back).TotalSeconds:0.0} s; 40 steps "
                + $"later {again.TotalSeconds:0.0} s after it came back; {last.Recoveries} recoveries, "
                + $"{last.StaleMessages} stale messages, {last.CommittedSteps} steps; {run.Watched.History}"
        );
        foreach (var silo in cluster.Silos)
            Faults.Tell($"{silo.Name}: {Tail(silo.Process.Diagnostics)}");
        Assert.Contains("the store does not answer", paused, StringComparison.Ordinal);
        Assert.True(again < WordBound, $"it went on {again.TotalSeconds:0.0} s after the store had come back");
        Assert.All(
            cluster.Silos,
            silo => Assert.True(silo.Process.IsRunning, $"{silo.Name} " + $"ended: {silo.Process.Diagnostics}")
        );
    }

    // The server says it; it is a folder of this test's own.
    private static async Task<string> DataFolder(SharedCluster cluster)
    {
        await using var store = await SharedCluster.AddressOf(cluster.Url).Connect();
        var answer = await store.GetDatabase().ExecuteAsync("CONFIG", "GET", "dir");
        return Path.Combine(((string[])answer!)[1], "appendonlydir");
    }

    private static int Lines(SharedCluster cluster) =>
        cluster.Silos.Sum(silo => silo.Process.Diagnostics.Count(c => c == '\n'));

    private static string Tail(string talk) =>
        string.Join('\n', talk.Split('\n').TakeLast(12).Select(line => line[..Math.Min(line.Length, 300)]));
}
