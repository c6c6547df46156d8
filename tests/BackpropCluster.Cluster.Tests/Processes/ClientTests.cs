using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using BackpropCluster.Cli;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Grains;

namespace BackpropCluster.Tests.Processes;

/// <summary>A run belongs to the cluster: clients come and go, ask and cancel.</summary>
[Collection(SharedCluster.Name)]
public sealed partial class ClientTests : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);
    private readonly SharedCluster cluster;
    private readonly Backprop backprop = new();

    public ClientTests(SharedCluster cluster)
    {
        RedisServer.Need();
        this.cluster = cluster;
    }

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task AKilledClientLeavesTheRunGoingAndTwoThatAttachPrintTheSameResult()
    {
        var file = await ProcessRuns.Lasting(cluster.Client.Grains, backprop.Folder, TimeSpan.FromSeconds(7));
        var run = await BeginAndKill(file);
        var coordinator = cluster.Client.Grains.GetGrain<ICoordinatorGrain>(run);
        var seen = (await coordinator.Watch(int.MaxValue, int.MaxValue))!.CommittedSteps;
        await Until(async () => (await coordinator.Watch(int.MaxValue, int.MaxValue))!.CommittedSteps > seen + 100, "the run goes on without its client");

        using var elsewhere = new Backprop();
        string[] attach = ["train", "--resume", run, "--cluster", cluster.Url, "--json"];
        var results = await Task.WhenAll(backprop.Run(attach), elsewhere.Run(attach));
        Assert.Equal(results[0].Json.ToString(), results[1].Json.ToString());
        Assert.Equal(ProcessRuns.Reference(file).WeightsSha256, results[0].Json.GetProperty("weightsSha256").GetString());
        Assert.Equal((0, 0), (results[0].Json.GetProperty("recoveries").GetInt32(), results[0].Json.GetProperty("replayedSteps").GetInt32()));
        foreach (var folder in new[] { backprop.Folder, elsewhere.Folder })
        {
            var lines = await File.ReadAllLinesAsync(Path.Combine(folder, "runs", run, "metrics.jsonl"), TestContext.Current.CancellationToken);
            Assert.Equal(ProcessRuns.Reference(file).Steps.Length, lines.Count(line => line.Contains("\"kind\":\"step\"", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public async Task ARunIsSeenWhileItRunsCancelledFromElsewhereAndGoneOnWith()
    {
        var file = await ProcessRuns.Lasting(cluster.Client.Grains, backprop.Folder, TimeSpan.FromSeconds(11));
        await using var client = Begin(file);
        await client.Says("step 100/");
        var run = OnlyRun();
        await Task.WhenAll(SeenByStatus(run), SeenByRuns(run));

        using var elsewhere = new Backprop();
        var cancelled = await elsewhere.Run("runs", "cancel", run, "--cluster", cluster.Url);
        Assert.True(cancelled.ExitCode == 0, cancelled.Talk);
        Assert.Matches($@"^run {run} is interrupted at step \d+\n$", cancelled.Output);
        var ended = await client.Ends();
        Assert.Equal(130, ended.ExitCode);
        var command = GoOn().Match(ended.Talk);
        Assert.True(command.Success, ended.Talk);
        Assert.Equal((run, cluster.Redis.Shown()), (command.Groups["run"].Value, command.Groups["cluster"].Value));
        await Task.WhenAll(SeenWhenOver(run), Twice(run));

        // As it was printed, but for the password, which is printed nowhere.
        string[] goOn = [.. command.Groups["command"].Value.Split(' ').Select(word => word == cluster.Redis.Shown() ? cluster.Url : word), "--json"];
        var completed = (await backprop.Run(goOn)).Json;
        Assert.Equal(ProcessRuns.Reference(file).WeightsSha256, completed.GetProperty("weightsSha256").GetString());
        Assert.InRange(completed.GetProperty("resumedFrom").GetInt32(), 1, completed.GetProperty("steps").GetInt32() - 1);
        Assert.Equal("completed", StatusOf(run, (await elsewhere.Run("runs", "list", "--cluster", cluster.Url, "--json")).Json));
    }

    private async Task<string> BeginAndKill(RunFile file)
    {
        await using var client = Begin(file);
        await client.Says("step 100/");
        await client.Kill();
        return OnlyRun();
    }

    private Child Begin(RunFile file) => Child.Backprop(
        backprop.Folder, "train", "seven.yaml", "--set", ProcessRuns.EpochsOf(file.Spec.Training.Epochs), "--set", "training.log_every=100", "--cluster", cluster.Url);

    private string OnlyRun() => Path.GetFileName(Assert.Single(Directory.EnumerateDirectories(Path.Combine(backprop.Folder, "runs"))));

    private async Task SeenByStatus(string run)
    {
        var json = (await backprop.Run("cluster", "status", "--cluster", cluster.Url, "--json")).Json;
        Assert.Equal(cluster.Redis.Shown(), json.GetProperty("cluster").GetString());
        var silos = json.GetProperty("silos").EnumerateArray().ToList();
        Assert.Equal(cluster.Silos.Select(s => s.Name).Order(StringComparer.Ordinal), silos.Select(s => s.GetProperty("name").GetString()));
        Assert.Equal(4 + 3 + 1 + 2, silos.Sum(s => s.GetProperty("slices").GetProperty(run).GetInt32()));
        Assert.All(silos, s => Assert.True(s.GetProperty("memoryBytes").GetInt64() > 10_000_000, s.ToString()));
        var row = json.GetProperty("runs").EnumerateArray().Single(r => r.GetProperty("run").GetString() == run);
        Assert.Equal("training", row.GetProperty("status").GetString());
        Assert.InRange(row.GetProperty("step").GetInt32(), 100, row.GetProperty("steps").GetInt32());
        Assert.True(row.GetProperty("stepsPerSecond").GetDouble() > 1, row.ToString());

        var text = await backprop.Run("cluster", "status", "--cluster", cluster.Url);
        Assert.Contains($"{cluster.Redis.Shown()}: 3 silos\n", text.Output, StringComparison.Ordinal);
        foreach (var silo in cluster.Silos) Assert.Matches($@"(?m)^{silo.Name} +[\d,]+ MiB  .*{run}: \d+ parts", text.Output);
        Assert.Matches($@"(?m)^{run} +training +step [\d,]+ of [\d,]+, [\d,]+ steps/s$", text.Output);
    }

    private async Task SeenByRuns(string run)
    {
        using var elsewhere = new Backprop();
        Assert.Equal("running", StatusOf(run, (await elsewhere.Run("runs", "list", "--cluster", cluster.Url, "--json")).Json));
        var shown = (await elsewhere.Run("runs", "show", run, "--cluster", cluster.Url, "--json")).Json;
        Assert.Equal("running", shown.GetProperty("run").GetProperty("status").GetString());
        Assert.InRange(shown.GetProperty("run").GetProperty("steps").GetInt32(), 100, shown.GetProperty("run").GetProperty("ofSteps").GetInt32());
        var text = (await elsewhere.Run("runs", "show", run, "--cluster", cluster.Url)).Output;
        Assert.Matches($@"^{run} +running +[\d,]+ steps of [\d,]+, saved at [\d,]+\n", text);
        Assert.Contains($"watch: backprop train --resume {run} --cluster {cluster.Redis.Shown()}\n", text, StringComparison.Ordinal);
        Assert.Empty(elsewhere.LeftBehind);
    }

    private async Task SeenWhenOver(string run)
    {
        Assert.Matches($@"(?m)^{run} +interrupted$", (await backprop.Run("runs", "list", "--cluster", cluster.Url)).Output);
        var shown = (await backprop.Run("runs", "show", run, "--cluster", cluster.Url, "--json")).Json;
        Assert.Equal("interrupted", shown.GetProperty("run").GetProperty("status").GetString());
        Assert.InRange(shown.GetProperty("run").GetProperty("steps").GetInt32(), 100, int.MaxValue);

        // What the catalog keeps is the run file, with every default spelt out.
        var file = RunFile.Read("shown", shown.GetProperty("file").GetString()!, []);
        Assert.Equal(RunFileLoader.Load(Path.Combine(backprop.Folder, "runs", run, "run.yaml"), null).ToYaml(), file.ToYaml());
        Assert.DoesNotContain(run, (await backprop.Run("cluster", "status", "--cluster", cluster.Url, "--json")).Json.GetProperty("runs").ToString(), StringComparison.Ordinal);
    }

    private async Task Twice(string run)
    {
        using var elsewhere = new Backprop();
        Mistake.Assert(await elsewhere.Run("runs", "cancel", run, "--cluster", cluster.Url), 2, $"run {run} is interrupted already. Nothing was changed.");
    }

    private static string? StatusOf(string run, JsonElement list) =>
        list.GetProperty("runs").EnumerateArray().Single(r => r.GetProperty("run").GetString() == run).GetProperty("status").GetString();

    private static async Task Until(Func<Task<bool>> condition, string awaited)
    {
        using var bound = new CancellationTokenSource(Bound);
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await condition())
        {
            Assert.False(bound.IsCancellationRequested, string.Create(CultureInfo.InvariantCulture, $"within {Bound.TotalSeconds} s it did not come about that {awaited}"));
            await pause.WaitForNextTickAsync(CancellationToken.None);
        }
    }

    [GeneratedRegex(@"interrupted and saved at step \d+ of \d+\. Go on with: backprop (?<command>train --resume (?<run>\S+) --cluster (?<cluster>\S+))\n")]
    private static partial Regex GoOn();
}
