using BackpropCluster.ClusterTests.Processes;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.ClusterTests.Reliability;

/// <summary>A silo that is stopped by SIGSTOP in the middle of a run and wakes up ten seconds later, with all that it
/// believed then.</summary>
[Collection(SerialTests.Name), Trait("length", "long")]
public sealed class FreezeTests
{
    private static readonly TimeSpan Frozen = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan WordBound = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan AwakeBound = TimeSpan.FromSeconds(30);

    public FreezeTests()
    {
        RequiresLongTests.Need();
        RedisServer.Need();
    }

    [Fact]
    public async Task ACoordinatorsSiloThatFreezesAndWakesChangesNoBit() => await Freeze(leads: true, "20s");

    [Fact]
    public async Task AnotherSiloThatFreezesAndWakesChangesNoBit() => await Freeze(leads: false, "20s");

    /// <summary>The others do not wait for it: the run is led in higher terms meanwhile, and what the silo says when it
    /// wakes up is late. How much of that meets the coordinator, and how much its own exchange has dropped by then, is
    /// chance: none to a few were counted.</summary>
    [Fact]
    public async Task ASiloThatSleptThroughRecoveriesChangesNoBit()
    {
        var last = await Freeze(leads: false, "3s");
        Assert.True(last.Term > 1, $"the run recovered in no other term: {last}");
    }

    /// <summary>It answers nothing and closes no connection, so only its missing signs of life tell: the others go on
    /// without it.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ASiloThatNeverWakesIsDoneWithout(bool leads)
    {
        await using var cluster = await Faults.Cluster();
        await using var run = EndlessRun.Begin(cluster.Client.Grains, cluster.Folder, "training.checkpoint_every=50");
        await run.Until(p => p.SavedVersion >= 100, "it had saved twice");
        await using var pace = new Pace(() => run.Watched.CommittedSteps);
        var leader = run.Watched.CoordinatorSilo;
        var victim = await cluster.Find(async silo => await cluster.PlacementNameOf(silo) == leader == leads);
        var name = await cluster.PlacementNameOf(victim);

        victim.Process.Signal("STOP");
        await run.Until(
            p => !p.Placement!.Uses(name) && p.CommittedSteps > pace.Highest,
            "it went on without the frozen " + "" + "silo"
        );
        var last = await run.EndsAsTheReference();
        Faults.Tell(
            $"{victim.Name} ({(leads ? "leads" : "does not lead")}) frozen for good: longest time without a "
                + $"new step {pace.Longest.TotalSeconds:0.0} s, {run.Watched.History}"
        );
        Assert.True(pace.Longest < WordBound, $"no new step for {pace.Longest.TotalSeconds:0.0} s");
        Assert.True(last.Term > 1, $"the run recovered in no other term: {last}");
    }

    private static async Task<RunProgress> Freeze(bool leads, string deadline)
    {
        await using var cluster = await Faults.Cluster();
        await using var run = EndlessRun.Begin(
            cluster.Client.Grains,
            cluster.Folder,
            "training.checkpoint_every=50",
            $"cluster.step_deadline={deadline}"
        );
        await run.Until(p => p.SavedVersion >= 100, "it had saved twice");
        await using var pace = new Pace(() => run.Watched.CommittedSteps);
        var leader = run.Watched.CoordinatorSilo;
        var victim = await cluster.Find(async silo => await cluster.PlacementNameOf(silo) == leader == leads);

        victim.Process.Signal("STOP");
        await Faults.Hold(Frozen);
        victim.Process.Signal("CONT");
        var (asleep, stepsThen) = (run.Watched.History, pace.Highest);
        // Either the others had given it up, and it ends, or it goes on as if nothing had been.
        var ended =
            await Faults.ComesAbout(
                () => !victim.Process.IsRunning || run.Watched.CommittedSteps > stepsThen + 100,
                AwakeBound
            ) && !victim.Process.IsRunning;
        await run.Until(p => p.CommittedSteps > stepsThen + 100, "it went on after the silo woke up");
        var last = await run.EndsAsTheReference();

        Faults.Tell(
            $"{victim.Name} ({(leads ? "leads" : "does not lead")}) frozen for {Frozen.TotalSeconds} s: "
                + $"{last.CommittedSteps} steps, longest time without a new one {pace.Longest.TotalSeconds:0.0} s, "
                + $"term {last.Term}, {last.StaleMessages} stale messages, {run.Watched.ReplayedSteps} steps computed "
                + $"again"
        );
        Faults.Tell(
            $"when it woke up: {asleep}; at the end: {run.Watched.History}; the silo "
                + $"{(ended ? "ended" : "went on")}"
        );
        Faults.Tell($"{victim.Process.Diagnostics}");
        if (ended)
        {
            var end = await victim.Process.Ends();
            Assert.Equal(4, end.ExitCode);
            Assert.Matches(@"\nbackprop: silo \S+ was declared dead by .* while it did not answer\. ", end.Talk);
        }

        Assert.True(pace.Longest < WordBound, $"no new step for {pace.Longest.TotalSeconds:0.0} s");
        return last;
    }
}
