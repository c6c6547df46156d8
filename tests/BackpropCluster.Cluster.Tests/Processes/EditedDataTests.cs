using System.Diagnostics;
using BackpropCluster.ClusterTests.Reliability;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>A data file that is edited while silos live: each run is trained on the rows that its plan names, or ends
/// and says who has not got them.</summary>
public sealed class EditedDataTests : IAsyncLifetime
{
    private readonly Backprop backprop = new();
    private SharedCluster? cluster;

    private SharedCluster Cluster => cluster ?? throw new InvalidOperationException("the silos are not started");

    private string Rows => Path.Combine(backprop.Folder, "seven.csv");

    public async ValueTask InitializeAsync()
    {
        RedisServer.Need();
        cluster = await Faults.Cluster();
    }

    public async ValueTask DisposeAsync()
    {
        if (cluster is not null)
            await cluster.DisposeAsync();
        backprop.Dispose();
    }

    /// <summary>The second run has the hash that the program has alone, in a fresh process, on the edited
    /// rows.</summary>
    [Fact]
    public async Task ASiloThatHasTrainedOnAFileTrainsOnWhatTheFileBecame()
    {
        var path = ProcessRuns.Write(backprop.Folder);
        var before = (await backprop.Run("train", path, "--cluster", Cluster.Url, "--json"))
            .Json.GetProperty("weightsSha256")
            .GetString();
        Edit(shift: 0.5);
        var after = (await backprop.Run("train", path, "--cluster", Cluster.Url, "--json"))
            .Json.GetProperty("weightsSha256")
            .GetString();
        var fresh = (await backprop.Run("train", path, "--json")).Json.GetProperty("weightsSha256").GetString();
        Assert.NotEqual(before, fresh);
        Assert.Equal(fresh, after);
    }

    /// <summary>A silo that held inner layers never opened the file. When those that had are gone, it must not read
    /// what the file became.</summary>
    [Fact]
    public async Task ASiloThatTakesOverInTheMiddleOfARunRefusesOtherRows()
    {
        await using var run = EndlessRun.Begin(
            Cluster.Client.Grains,
            backprop.Folder,
            "cluster.granularity=layer",
            "cluster.placement=by-layer",
            "training.checkpoint_every=20",
            "cluster.give_up_after=5s"
        );
        await run.Until(p => p.SavedVersion >= 40, "it was saved");
        Edit(shift: 0.5);
        foreach (var silo in await Holders(run))
            await Kill(silo);
        var killed = Stopwatch.GetTimestamp();
        var last = await run.Ends();
        var took = Stopwatch.GetElapsedTime(killed).TotalSeconds;
        Faults.Tell($"two of three silos killed: the third ended the run after {took:0.0} s");
        AssertNamed(last, Cluster.Silos.Single().Name);
    }

    private void AssertNamed(RunProgress last, string silo)
    {
        Assert.Equal(RunStatus.Failed, last.Status);
        Assert.True(last.Failure!.Kind == FailureKind.Data, $"{last.Failure.Kind}: {last.Failure.Reason}");
        Assert.Contains($"silo {silo}", last.Failure.Reason, StringComparison.Ordinal);
        Assert.Contains(Rows, last.Failure.Reason, StringComparison.Ordinal);
    }

    private async Task<List<SiloProcess>> Holders(EndlessRun run)
    {
        var placement = run.Watched.Last.Placement!;
        string[] holders = [placement.SiloOf(0), placement.SiloOf(placement.SiloOfPart.Length - 1)];
        var found = new List<SiloProcess>();
        foreach (var silo in Cluster.Silos)
        {
            var name = await Cluster.PlacementNameOf(silo);
            if (holders.Contains(name))
                found.Add(silo);
        }

        return found;
    }

    private async Task Kill(SiloProcess silo)
    {
        await silo.Process.Kill();
        Cluster.Silos.Remove(silo);
    }

    private void Edit(double shift) => File.WriteAllText(Rows, ProcessRuns.Rows(classes: true, shift));
}
