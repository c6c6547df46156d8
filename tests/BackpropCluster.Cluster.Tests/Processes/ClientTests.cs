using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>A run belongs to the cluster: clients come and go, ask and cancel.</summary>
[Collection(SharedCluster.Name)]
public sealed partial class ClientTests : IDisposable
{
    private const string Epochs = "training.epochs=1000"; // 3,000 steps
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
        var path = ProcessRuns.Write(backprop.Folder);
        var file = RunFileLoader.Load(path, [Epochs]);
        var run = await BeginAndKill(Epochs);
        var coordinator = cluster.Client.Grains.GetGrain<ICoordinatorGrain>(run);
        var seen = (await coordinator.Watch(int.MaxValue, int.MaxValue))!.CommittedSteps;
        Assert.InRange(seen, 100, ProcessRuns.Reference(file).Steps.Length - 101);
        await Until(
            async () => (await coordinator.Watch(int.MaxValue, int.MaxValue))!.CommittedSteps > seen + 100,
            "the run goes on without its client"
        );

        using var elsewhere = new Backprop();
        string[] attach = ["train", "--resume", run, "--cluster", cluster.Url, "--json"];
        var results = await Task.WhenAll(backprop.Run(attach), elsewhere.Run(attach));
        Assert.Equal(results[0].Json.ToString(), results[1].Json.ToString());
        Assert.Equal(
            ProcessRuns.Reference(file).WeightsSha256,
            results[0].Json.GetProperty("weightsSha256").GetString()
        );
        Assert.Equal(
            (0, 0),
            (
                results[0].Json.GetProperty("recoveries").GetInt32(),
                results[0].Json.GetProperty("replayedSteps").GetInt32()
            )
        );
        foreach (var folder in new[] { backprop.Folder, elsewhere.Folder })
            Assert.Equal(
                ProcessRuns.Reference(file).Steps.Select(s => s.Loss),
                LossesOf(Path.Combine(folder, "runs", run))
            );
    }

    [Fact]
    public async Task ARunIsSeenWhileItRunsCancelledFromElsewhereAndGoneOnWith()
    {
        var file = RunFileLoader.Load(ProcessRuns.Write(backprop.Folder), EndlessRun.Sets);
        await using var client = Begin(EndlessRun.Sets);
        await client.Says("step 100/");
        var run = OnlyRun();
        await Task.WhenAll(SeenByStatus(run), SeenByRuns(run));

        var ended = await CancelledFromElsewhere(run, client);
        var command = GoOn().Match(ended.Talk);
        Assert.True(command.Success, ended.Talk);
        Assert.Equal((run, cluster.Redis.Shown()), (command.Groups["run"].Value, command.Groups["cluster"].Value));
        var saved = int.Parse(command.Groups["step"].ValueSpan, CultureInfo.InvariantCulture);
        await Task.WhenAll(SeenWhenOver(run, saved), Twice(run));

        // As it was printed, but for the password, which is printed nowhere.
        await using var goesOn = Child.Backprop(
            backprop.Folder,
            command
                .Groups["command"]
                .Value.Split(' ')
                .Select(word => word == cluster.Redis.Shown() ? cluster.Url : word)
        );
        await goesOn.Says(string.Create(CultureInfo.InvariantCulture, $"step {(saved / 100 + 2) * 100:N0}/"));
        var further = GoOn().Match((await CancelledFromElsewhere(run, goesOn)).Talk);
        var steps = int.Parse(further.Groups["step"].ValueSpan, CultureInfo.InvariantCulture);
        Assert.InRange(steps, saved + 100, int.MaxValue);
        Assert.Equal(
            EndlessRun.ReferenceOf(file, steps).Steps.Select(s => s.Loss),
            LossesOf(Path.Combine(backprop.Folder, "runs", run))
        );
    }

    private async Task<string> BeginAndKill(params string[] sets)
    {
        await using var client = Begin(sets);
        await client.Says("step 100/");
        await client.Kill();
        return OnlyRun();
    }

    private async Task<Ended> CancelledFromElsewhere(string run, Child client)
    {
        using var elsewhere = new Backprop();
        var cancelled = await elsewhere.Run("runs", "cancel", run, "--cluster", cluster.Url);
        Assert.True(cancelled.ExitCode == 0, cancelled.Talk);
        Assert.Matches($@"^run {run} is interrupted at step \d+\n$", cancelled.Output);
        var ended = await client.Ends();
        Assert.Equal(130, ended.ExitCode);
        return ended;
    }

    private Child Begin(params string[] sets) =>
        Child.Backprop(
            backprop.Folder,
            [
                "train",
                "seven.yaml",
                .. sets.SelectMany(set => new[] { "--set", set }),
                "--set",
                "training.log_every=100",
                "--cluster",
                cluster.Url,
            ]
        );

    private string OnlyRun() =>
        Path.GetFileName(Assert.Single(Directory.EnumerateDirectories(Path.Combine(backprop.Folder, "runs"))));

    private static List<double> LossesOf(string folder) =>
        [
            .. File.ReadLines(Path.Combine(folder, "metrics.jsonl"))
                .Select(line => JsonDocument.Parse(line).RootElement)
                .Where(line => line.GetProperty("kind").GetString() == "step")
                .Select(line => line.GetProperty("loss").GetDouble()),
        ];

    private async Task SeenByStatus(string run)
    {
        var json = (await backprop.Run("cluster", "status", "--cluster", cluster.Url, "--json")).Json;
        Assert.Equal(cluster.Redis.Shown(), json.GetProperty("cluster").GetString());
        var silos = json.GetProperty("silos").EnumerateArray().ToList();
        Assert.Equal(
            cluster.Silos.Select(s => s.Name).Order(StringComparer.Ordinal),
            silos.Select(s => s.GetProperty("name").GetString())
        );
        // Shards, the Loss, and a Source on each silo that holds some of layer 1.
        Assert.InRange(
            silos.Sum(s => s.GetProperty("shards").GetProperty(run).GetInt32()),
            4 + 3 + 1 + 2,
            4 + 3 + 1 + 1 + 3
        );
        Assert.All(silos, s => Assert.True(s.GetProperty("memoryBytes").GetInt64() > 10_000_000, s.ToString()));
        Assert.All(
            silos,
            s => Assert.InRange(s.GetProperty("heldBytes").GetInt64(), 0, s.GetProperty("memoryBytes").GetInt64())
        );
        var row = json.GetProperty("runs").EnumerateArray().Single(r => r.GetProperty("run").GetString() == run);
        Assert.Equal("training", row.GetProperty("status").GetString());
        Assert.InRange(row.GetProperty("step").GetInt32(), 100, row.GetProperty("steps").GetInt32());
        Assert.True(row.GetProperty("stepsPerSecond").GetDouble() > 1, row.ToString());

        var text = await backprop.Run("cluster", "status", "--cluster", cluster.Url);
        Assert.Contains($"{cluster.Redis.Shown()}: 3 silos\n", text.Output, StringComparison.Ordinal);
        foreach (var silo in cluster.Silos)
            Assert.Matches($@"(?m)^{silo.Name} +[\d,]+ MiB  .*{run}: \d+ actors", text.Output);
        Assert.Matches($@"(?m)^{run} +training +step [\d,]+ of [\d,]+, [\d,]+ steps/s$", text.Output);
    }

    private async Task SeenByRuns(string run)
    {
        using var elsewhere = new Backprop();
        Assert.Equal(
            "running",
            StatusOf(run, (await elsewhere.Run("runs", "list", "--cluster", cluster.Url, "--json")).Json)
        );
        var shown = (await elsewhere.Run("runs", "show", run, "--cluster", cluster.Url, "--json")).Json;
        Assert.Equal("running", shown.GetProperty("run").GetProperty("status").GetString());
        Assert.InRange(
            shown.GetProperty("run").GetProperty("steps").GetInt32(),
            100,
            shown.GetProperty("run").GetProperty("ofSteps").GetInt32()
        );
        var text = (await elsewhere.Run("runs", "show", run, "--cluster", cluster.Url)).Output;
        Assert.Matches($@"^{run} +running +[\d,]+ steps of [\d,]+, saved at [\d,]+\n", text);
        Assert.Contains(
            $"watch: backprop train --resume {run} --cluster {cluster.Redis.Shown()}\n",
            text,
            StringComparison.Ordinal
        );
        Assert.Empty(elsewhere.LeftBehind);
    }

    private async Task SeenWhenOver(string run, int steps)
    {
        Assert.Matches(
            $@"(?m)^{run} +interrupted$",
            (await backprop.Run("runs", "list", "--cluster", cluster.Url)).Output
        );
        var shown = (await backprop.Run("runs", "show", run, "--cluster", cluster.Url, "--json")).Json;
        Assert.Equal("interrupted", shown.GetProperty("run").GetProperty("status").GetString());
        Assert.Equal(steps, shown.GetProperty("run").GetProperty("steps").GetInt32());

        // What the catalog keeps is the run file, with every default spelt out.
        var file = RunFile.Read("shown", shown.GetProperty("file").GetString()!, []);
        Assert.Equal(
            RunFileLoader.Load(Path.Combine(backprop.Folder, "runs", run, "run.yaml"), null).ToYaml(),
            file.ToYaml()
        );
        Assert.DoesNotContain(
            run,
            (await backprop.Run("cluster", "status", "--cluster", cluster.Url, "--json"))
                .Json.GetProperty("runs")
                .ToString(),
            StringComparison.Ordinal
        );
    }

    private async Task Twice(string run)
    {
        using var elsewhere = new Backprop();
        Mistake.Assert(
            await elsewhere.Run("runs", "cancel", run, "--cluster", cluster.Url),
            2,
            $"run {run} is interrupted already. Nothing was changed."
        );
    }

    private static string? StatusOf(string run, JsonElement list) =>
        list.GetProperty("runs")
            .EnumerateArray()
            .Single(r => r.GetProperty("run").GetString() == run)
            .GetProperty("status")
            .GetString();

    private static async Task Until(Func<Task<bool>> condition, string awaited)
    {
        using var bound = new CancellationTokenSource(Bound);
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await condition())
        {
            Assert.False(
                bound.IsCancellationRequested,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"within {Bound.TotalSeconds} s it did not come about that {awaited}"
                )
            );
            await pause.WaitForNextTickAsync(CancellationToken.None);
        }
    }

    [GeneratedRegex(
        @"interrupted and saved at step (?<step>\d+) of \d+\. Go on with: backprop (?<command>train --resume (?<run>\S+) --cluster (?<cluster>\S+))\n"
    )]
    private static partial Regex GoOn();
}
