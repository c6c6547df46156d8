using BackpropCluster.ClusterTests.Processes;
using BackpropCluster.Grains.Clustering;

namespace BackpropCluster.ClusterTests.Reliability;

/// <summary>A fault of its own: the store has written, and its answer never comes. Whoever asked cannot know, and asks
/// again.</summary>
[Collection(SerialTests.Name), Trait("length", "long")]
public sealed class UnansweredWriteTests : IDisposable
{
    private const int Cuts = 5;
    private static readonly TimeSpan WordBound = TimeSpan.FromSeconds(10);
    private readonly Backprop backprop = new();

    public UnansweredWriteTests()
    {
        RequiresLongTests.Need();
        RedisServer.Need();
    }

    public void Dispose() => backprop.Dispose();

    /// <param name="record">Part of its name; the head holds the manifest and the term.</param>
    /// <param name="recovers">Whether the leader's silo is killed first, so that the head is next written for a
    /// term.</param>
    [Theory]
    [InlineData("/layer-1-part-0", false)]
    [InlineData("/checkpoints/head-", false)]
    [InlineData("/checkpoints/head-", true)]
    public async Task AWriteThatIsDoneAndNeverAnsweredChangesNoBit(string record, bool recovers)
    {
        await using var redis = await RedisServer.Start();
        await using var proxy = new RedisProxy(redis.Port);
        var silos = new List<SiloProcess>();
        try
        {
            while (silos.Count < 3)
                silos.Add(await Silo(silos.Count));
            await using var client = await ClusterClient.Connect(
                SharedCluster.AddressOf(redis.Url()),
                TestContext.Current.CancellationToken
            );
            await client.WaitForSilos(3, TestContext.Current.CancellationToken);
            await using var run = EndlessRun.Begin(client.Grains, backprop.Folder, "training.checkpoint_every=50");
            await run.Until(p => p.SavedVersion >= 100, "it had saved twice");
            var waits = new List<TimeSpan>();
            for (var cut = 0; cut < Cuts; cut++)
            {
                var victim = recovers ? await Leader() : null;
                await using var pace = new Pace(() => run.Watched.CommittedSteps);
                proxy.CutAfterWriteOf(record);
                if (victim is not null)
                    await victim.Process.Kill();
                Assert.True(
                    await Faults.ComesAbout(() => proxy.HasCut, TimeSpan.FromSeconds(30)),
                    $"nobody wrote {record} within 30 s: " + $"" + $"{run.Watched.History}"
                );
                var then = Math.Max(pace.Highest, run.Watched.CommittedSteps);
                await run.Until(p => p.CommittedSteps > then + 100, "it went on after the write that nobody answered");
                waits.Add(pace.Longest);
                if (victim is null)
                    continue;
                silos.Remove(victim);
                silos.Add(await Silo(3 + cut));
                await run.Until(p => p.Placement!.Silos.Length == 3, "the new silo takes its part");
            }

            var last = await run.EndsAsTheReference();
            Faults.Tell(
                $"{record}{(recovers ? " of a new term" : "")}: longest time without a new step around each cut "
                    + string.Join(' ', waits.Order().Select(w => FormattableString.Invariant($"{w.TotalSeconds:0.0}")))
                    + $" s; {last.Recoveries} recoveries, term {last.Term}; {run.Watched.History}"
            );
            Assert.True(waits.Max() <= WordBound, $"no new step for {waits.Max().TotalSeconds:0.0} s");

            async Task<SiloProcess> Leader()
            {
                var leader = run.Watched.CoordinatorSilo;
                var name = (await client.Silos(TestContext.Current.CancellationToken))
                    .Single(s => s.Silo == leader)
                    .Name;
                return silos.Single(s => s.Name == name);
            }
        }
        finally
        {
            foreach (var silo in silos)
                await silo.DisposeAsync();
        }

        Task<SiloProcess> Silo(int number) =>
            SiloProcess.Start(redis.Url(port: proxy.Port), $"silo-{number}", backprop.Folder);
    }
}
