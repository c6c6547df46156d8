using System.Diagnostics;
using System.Globalization;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.Cli.Processes;

/// <summary>Silo processes that are killed and started again while a run goes on.</summary>
/// <param name="cluster">Where they meet.</param>
/// <param name="directory">Where runs are kept if the cluster has no store.</param>
/// <param name="seed">Decides who dies, and when.</param>
/// <param name="say">Told of each kill and recovery, one line each.</param>
internal sealed class Chaos(ClusterAddress cluster, string directory, ulong seed, Action<string> say) : IAsyncDisposable
{
    private static readonly TimeSpan StepDeadline = TimeSpan.FromSeconds(5);
    private readonly CounterRandom chance = new(seed, RandomPurpose.Simulation, 1);
    private readonly List<ChildSilo> silos = [];
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private readonly List<Task> restarts = [];

    // Without a store the first silo keeps the members; it is what Redis would be, and spared like that.
    private readonly int first = cluster.IsRedis ? 0 : 1;
    private ulong draws;

    /// <summary>Silos that were killed.</summary>
    public int Kills { get; private set; }

    /// <summary>From each kill to the next step that had not been committed before.</summary>
    public List<TimeSpan> Recoveries { get; } = [];

    /// <summary>Steps that were computed again.</summary>
    public int Replayed { get; private set; }

    public async Task Start(int count)
    {
        for (var i = 0; i < count; i++)
            silos.Add(await Silo(string.Create(CultureInfo.InvariantCulture, $"silo-{i + 1}")));
    }

    /// <summary>Trains a run and kills so many silos on its way, one whenever another share of its steps is
    /// done.</summary>
    public async Task<TrainingOutcome> Train(
        IGrainFactory grains,
        RunPlan plan,
        int kills,
        CancellationToken cancellation
    )
    {
        (TimeSpan At, int? Steps)? waiting = null;
        var highest = 0;
        var outcome = await TrainingClient.Train(grains, plan, StepDeadline, Watch, cancellation: cancellation);
        await Task.WhenAll(restarts);
        return outcome;

        void Watch(RunProgress progress)
        {
            Replayed = progress.ReplayedSteps;
            highest = Math.Max(highest, progress.CommittedSteps);
            if (waiting is { } kill)
            {
                // The first news that were asked for after the kill: what had been committed until then, and had not
                // been told yet, is nothing that the run did in spite of it.
                if (kill.Steps is null)
                    waiting = (kill.At, highest);
                if (kill.Steps is null || progress.CommittedSteps <= kill.Steps)
                    return;
                Recoveries.Add(clock.Elapsed - kill.At);
                say(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"          step {progress.CommittedSteps} is committed {Recoveries[^1].TotalSeconds:0.0} s "
                            + $"after it; {Replayed} steps computed again so far"
                    )
                );
                waiting = null;
            }

            // Spread over the run: the next one waits for its share of the steps, wherever the run stands by then.
            if (
                Kills == kills
                || progress.IsOver
                || !SomebodyStands()
                || progress.CommittedSteps < (Kills + chance.Unit(draws)) * progress.Steps / (kills + 1)
            )
                return;
            draws++;
            waiting = (clock.Elapsed, null);
            restarts.Add(KillOne(++Kills, progress.CommittedSteps));
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var silo in Enumerable.Reverse(silos))
            await silo.DisposeAsync();
    }

    private async Task KillOne(int number, int step)
    {
        ChildSilo victim;
        lock (silos)
        {
            var index = first + chance.Below(silos.Count - first, draws++);
            victim = silos[index];
            // It is nobody's victim twice: its next process is another silo.
            silos.RemoveAt(index);
        }

        say(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{clock.Elapsed.TotalSeconds, 7:0.0} s  kill {number}: {victim.Name} at step {step}"
            )
        );
        await victim.Kill();
        var again = await Silo(victim.Name);
        lock (silos)
            silos.Add(again);
        await victim.DisposeAsync();
    }

    // Somebody must be left to go on: what takes longest after the loss of all is to believe that they are dead.
    private bool SomebodyStands()
    {
        lock (silos)
            return silos.Count > first + 1;
    }

    private Task<ChildSilo> Silo(string name) =>
        ChildSilo.Start(name, "--cluster", cluster.Address, "--run-dir", directory);
}
