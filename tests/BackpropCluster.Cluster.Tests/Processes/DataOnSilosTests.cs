using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>A silo reads the rows for itself; one that would read others takes no part, and is named.</summary>
[Collection(SharedCluster.Name)]
public sealed class DataOnSilosTests : IDisposable
{
    private readonly SharedCluster cluster;
    private readonly Backprop backprop = new();

    public DataOnSilosTests(SharedCluster cluster)
    {
        RedisServer.Need();
        this.cluster = cluster;
    }

    public void Dispose() => backprop.Dispose();

    [Theory, InlineData(true), InlineData(false)]
    public async Task RowsThatChangedOrWentSinceThePlanWasMadeRefuseTheRun(bool deleted)
    {
        var file = RunFileLoader.Load(ProcessRuns.Write(backprop.Folder), null);
        var plan = ProcessRuns.Plan(file);
        var rows = Path.Combine(backprop.Folder, "seven.csv");
        if (deleted)
            File.Delete(rows);
        else
            await File.WriteAllTextAsync(
                rows,
                ProcessRuns.Rows(classes: true, shift: 0.5),
                TestContext.Current.CancellationToken
            );

        var refused = await Assert.ThrowsAsync<SiloRefusedException>(() =>
            ProcessRuns.TrainToTheReference(cluster.Client.Grains, file, plan: plan)
        );
        foreach (var silo in cluster.Silos)
            Assert.Contains(
                deleted
                    ? $"silo {silo.Name} cannot read {rows}"
                    : $"silo {silo.Name} has other data: {rows} hashes to ",
                refused.Message,
                StringComparison.Ordinal
            );
        Assert.DoesNotContain(await cluster.Client.Cluster.Runs(), r => r.Run == plan.Run);
    }

    // In every process this path leads to another folder, as a path does on machines that share no disk.
    [Theory, InlineData(true), InlineData(false)]
    public async Task RowsThatSilosDoNotHaveAreOneErrorOfTheProgram(bool missing)
    {
        ProcessRuns.Write(backprop.Folder, name: "apart", rows: "/proc/self/cwd/apart.csv");
        var there = Path.Combine(cluster.Folder, "apart.csv");
        if (!missing)
            await File.WriteAllTextAsync(
                there,
                ProcessRuns.Rows(classes: true, shift: 0.5),
                TestContext.Current.CancellationToken
            );
        try
        {
            var ended = await backprop.Run("train", "apart.yaml", "--cluster", cluster.Url, "--json");
            Mistake.Assert(
                ended,
                6,
                [
                    .. cluster.Silos.Select(s => $"silo {s.Name} {(missing ? "cannot read" : "has other data")}"),
                    "Nothing was started.",
                ]
            );
            Assert.Equal(
                ["apart.csv", "apart.yaml"],
                backprop.LeftBehind.Where(path => path != "runs").Order(StringComparer.Ordinal)
            );
        }
        finally
        {
            File.Delete(there);
        }
    }

    [Fact]
    public async Task ARunIsNotGoneOnWithOverRowsThatChanged()
    {
        var path = ProcessRuns.Write(backprop.Folder);
        await using var client = Child.Backprop(
            backprop.Folder,
            "train",
            path,
            "--set",
            "training.epochs=1000000",
            "--set",
            "training.log_every=100",
            "--cluster",
            cluster.Url
        );
        await client.Says("step 100/");
        client.Signal("INT");
        Assert.Equal(130, (await client.Ends()).ExitCode);
        var run = Path.GetFileName(Directory.EnumerateDirectories(Path.Combine(backprop.Folder, "runs")).Single());
        await File.WriteAllTextAsync(
            Path.Combine(backprop.Folder, "seven.csv"),
            ProcessRuns.Rows(classes: true, shift: 0.5),
            TestContext.Current.CancellationToken
        );
        Mistake.Assert(
            await backprop.Run("train", "--resume", run, "--cluster", cluster.Url, "--json"),
            6,
            "Nothing was started."
        );
    }
}
