using System.Collections.Immutable;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation.Exploration;

/// <summary>A history that did not end as it must, shrunk.</summary>
/// <param name="Seed">That names it.</param>
/// <param name="Scenario">Its run.</param>
/// <param name="Reason">What was not as it must be.</param>
/// <param name="Faults">As few as are needed for it: <see cref="Explorer.Replay(ulong, IEnumerable{Fault})"/> takes them.</param>
/// <param name="Events">What each did.</param>
public sealed record Finding(ulong Seed, Scenario Scenario, string Reason, ImmutableArray<Fault> Faults, ImmutableArray<string> Events)
{
    public override string ToString() => string.Join('\n', [$"seed {Seed}: {Reason}", $"  {Scenario}", .. Events.Select(e => $"  turn {e}")]);
}

/// <summary>Runs histories full of faults; each must end in the bits of a reference that it knows nothing of.</summary>
/// <remarks>One seed is one history: its scenario, the order of its messages, its faults. Not thread-safe.</remarks>
public sealed class Explorer(Reference reference, Machines? machines = null)
{
    private static readonly ImmutableArray<FaultKind> singleFaults =
    [
        FaultKind.Lose, FaultKind.Repeat, FaultKind.Delay, FaultKind.Overtake, FaultKind.CrashSender, FaultKind.CrashReceiver, FaultKind.CrashCoordinator,
    ];

    private readonly Models models = new(reference);
    private readonly Machines machines = machines ?? Machines.Product;

    /// <summary>Runs the history of a seed.</summary>
    /// <returns>What was not as it must be; <see langword="null"/> if all was.</returns>
    public Finding? Explore(ulong seed, Tally tally) => Explore(Scenario.Of(seed), seed, tally);

    /// <summary>Runs a seed's order and faults in another scenario.</summary>
    public Finding? Explore(Scenario scenario, ulong seed, Tally tally)
    {
        var verdict = Run(scenario, seed, new DrawnFaults(seed, scenario.Rates));
        tally.Add(verdict.Tally);
        return verdict.Failure is null ? null : Shrink(scenario, seed);
    }

    /// <summary>Runs a seed's scenario and order with other faults.</summary>
    public Finding? Replay(ulong seed, IEnumerable<Fault> faults) => Replay(Scenario.Of(seed), seed, [.. faults]);

    /// <summary>The run of <see cref="ExploreSingleFaults"/>: 2-4-1 in neurons, three steps, four rows, in the order of sending.</summary>
    /// <param name="silos">0 carries every message by itself.</param>
    public static Scenario Small(int silos) => new(Models.TwoFourOne, Granularity.Neuron, silos, PlacementRule.Spread, SaveEvery: 2, Window: 1, Faults: 0, FaultRates.None);

    /// <summary>Lets each kind of single fault happen to each message of the small run.</summary>
    /// <returns>How many cases there were, and those that did not end as they must.</returns>
    public (int Cases, ImmutableArray<Finding> Findings) ExploreSingleFaults(int silos, Tally tally)
    {
        var undisturbed = new RecordedReceivers();
        if (Run(Small(silos) with { Faults = int.MaxValue }, 0, undisturbed).Failure is { } failure) throw new InvariantViolationException($"without any fault: {failure}");
        var (cases, findings) = (0, ImmutableArray.CreateBuilder<Finding>());
        foreach (var (to, turn) in undisturbed.Receivers)
            foreach (var kind in singleFaults)
            {
                if (kind == FaultKind.Repeat && to == PartKind.Store) continue;
                cases++;
                // Time enough for the message that is held back the longest.
                var scenario = Small(silos) with { Faults = turn + undisturbed.Receivers.Count };
                Fault[] single = [new(turn, kind)];
                var verdict = Run(scenario, 0, new ListedFaults(single));
                tally.Add(verdict.Tally);
                if (verdict.Failure is not null && Replay(scenario, 0, single) is { } finding) findings.Add(finding);
            }

        return (cases, findings.ToImmutable());
    }

    private Verdict Run(Scenario scenario, ulong seed, IFaults faults, bool journal = false) =>
        new History(scenario, models.Of(scenario.Model), machines, seed, faults, journal).Run();

    private Finding? Replay(Scenario scenario, ulong seed, Fault[] faults)
    {
        var verdict = Run(scenario, seed, new ListedFaults(faults), journal: true);
        return verdict.Failure is null ? null : new Finding(seed, scenario, verdict.Failure, [.. faults], [.. verdict.Journal]);
    }

    // Faults are left out, many at once and then one by one, as long as the history still fails.
    private Finding Shrink(Scenario scenario, ulong seed)
    {
        var recorded = new RecordedFaults(new DrawnFaults(seed, scenario.Rates));
        Run(scenario, seed, recorded);
        Fault[] faults = [.. recorded.Faults];
        for (var chunk = Math.Max(1, faults.Length / 2); ; chunk = chunk > 1 ? chunk / 2 : 1)
        {
            var before = faults.Length;
            for (var from = 0; from < faults.Length;)
            {
                Fault[] fewer = [.. faults[..from], .. faults[Math.Min(faults.Length, from + chunk)..]];
                if (Run(scenario, seed, new ListedFaults(fewer)).Failure is not null) faults = fewer;
                else from += chunk;
            }

            if (chunk == 1 && faults.Length == before) break;
        }

        return Replay(scenario, seed, faults) ?? throw new InvariantViolationException($"seed {seed} failed once and not when it was replayed");
    }

    private sealed class RecordedReceivers : IFaults
    {
        public List<(PartKind To, int Turn)> Receivers { get; } = [];

        public void Decide(int turn, PartKind to, ICollection<Fault> faults) => Receivers.Add((to, turn));
    }
}
