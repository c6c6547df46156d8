using System.Collections.Immutable;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation.Exploration;

/// <summary>A history that did not end as it must, shrunk.</summary>
/// <param name="Seed">That names it.</param>
/// <param name="Scenario">Its run.</param>
/// <param name="Reason">What was not as it must be.</param>
/// <param name="Faults">As few as are needed for it: <see cref="Explorer.Replay"/> takes them.</param>
/// <param name="Events">What each did.</param>
public sealed record Counterexample(
    ulong Seed,
    Scenario Scenario,
    string Reason,
    ImmutableArray<Fault> Faults,
    ImmutableArray<string> Events
)
{
    public override string ToString() =>
        string.Join('\n', [$"seed {Seed}: {Reason}", $"  {Scenario}", .. Events.Select(e => $"  turn {e}")]);
}

/// <summary>Runs histories full of faults; each must end in the bits of a reference that it knows nothing of.</summary>
/// <remarks>One seed is one history: its scenario, the order of its messages, its faults. Not thread-safe.</remarks>
public sealed class Explorer(Reference reference, Machines? machines = null)
{
    private static readonly ImmutableArray<FaultKind> singleFaults =
    [
        FaultKind.Lose,
        FaultKind.Repeat,
        FaultKind.RepeatLate,
        FaultKind.Delay,
        FaultKind.Overtake,
        FaultKind.CrashSender,
        FaultKind.CrashReceiver,
        FaultKind.CrashCoordinator,
    ];

    private readonly Models models = new(reference);
    private readonly Machines machines = machines ?? Machines.Product;

    /// <summary>Runs the history of a seed.</summary>
    /// <returns>What was not as it must be; <see langword="null"/> if all was.</returns>
    public Counterexample? Explore(ulong seed, Tally tally)
    {
        var scenario = Scenario.Of(seed);
        var verdict = Run(scenario, seed, new DrawnFaults(seed, scenario.Rates));
        tally.Add(verdict.Tally);
        return verdict.Failure is null ? null : Shrink(scenario, seed);
    }

    /// <summary>Runs a scenario in a seed's order with these faults.</summary>
    public Counterexample? Replay(Scenario scenario, ulong seed, IReadOnlyCollection<Fault> faults)
    {
        var verdict = Run(scenario, seed, new ListedFaults(faults), journal: true);
        return verdict.Failure is null
            ? null
            : new Counterexample(seed, scenario, verdict.Failure, [.. faults], [.. verdict.Journal]);
    }

    /// <summary>The run of <see cref="ExploreSingleFaults"/>: 2-4-1 in neurons, three steps, four rows, in the order of
    /// sending.</summary>
    /// <param name="silos">How many.</param>
    public static Scenario Small(int silos) =>
        new(
            Models.TwoFourOne,
            Granularity.Neuron,
            silos,
            PlacementRule.Spread,
            SaveEvery: 2,
            Keep: 0,
            Window: 1,
            Faults: 0,
            FaultRates.None
        );

    /// <summary>Lets each kind of single fault happen to each message of the small run.</summary>
    /// <returns>How many cases there were, and those that did not end as they must.</returns>
    public (int Cases, ImmutableArray<Counterexample> Findings) ExploreSingleFaults(int silos, Tally tally)
    {
        var undisturbed = new RecordedReceivers();
        var without = Run(Small(silos) with { Faults = int.MaxValue }, 0, undisturbed);
        if (without.Failure is not null || without.Tally.Recoveries > 0)
            throw new InvariantViolationException($"without any fault: {without.Failure ?? "there were recoveries"}");
        var (cases, findings) = (0, ImmutableArray.CreateBuilder<Counterexample>());
        foreach (var (to, turn) in undisturbed.Receivers)
        foreach (var kind in singleFaults)
        {
            if (kind is FaultKind.Repeat or FaultKind.RepeatLate && to == ActorRole.Store)
                continue;
            cases++;
            // Time enough for the message that is held back the longest.
            var scenario = Small(silos) with
            {
                Faults = turn + undisturbed.Receivers.Count,
            };
            Fault[] single = [new(turn, kind)];
            var verdict = Run(scenario, 0, new ListedFaults(single));
            tally.Add(verdict.Tally);
            if (verdict.Failure is not null)
                findings.Add(Replay(scenario, 0, single)!);
            else if (IsFree(kind) && verdict.Tally.Recoveries > 0)
                findings.Add(
                    new Counterexample(
                        0,
                        scenario,
                        "a message that came twice, or late, cost a recovery",
                        [.. single],
                        []
                    )
                );
        }

        return (cases, findings.ToImmutable());
    }

    // Nothing is lost by these, so nothing need be done again.
    private static bool IsFree(FaultKind kind) =>
        kind is FaultKind.Repeat or FaultKind.RepeatLate or FaultKind.Overtake;

    private Verdict Run(Scenario scenario, ulong seed, IFaults faults, bool journal = false) =>
        new Execution(scenario, models.Of(scenario.Model), machines, seed, faults, journal).Run();

    // With the messages in the order of their sending a history is easier to follow, and what is left out moves less of
    // the rest; not every failure shows in it.
    private Counterexample Shrink(Scenario scenario, ulong seed)
    {
        var recorded = new RecordedFaults(new DrawnFaults(seed, scenario.Rates));
        Run(scenario, seed, recorded);
        var found =
            Replay(scenario, seed, Shrink(scenario, seed, recorded.Faults))
            ?? throw new InvariantViolationException($"seed {seed} failed once and not when it was replayed");
        var inOrder = scenario with { Window = 1 };
        if (scenario.Window == 1 || Run(inOrder, seed, new ListedFaults(recorded.Faults)).Failure is null)
            return found;
        var simpler = Replay(inOrder, seed, Shrink(inOrder, seed, recorded.Faults))!;
        return simpler.Faults.Length <= found.Faults.Length ? simpler : found;
    }

    // Faults are left out, many at once and then one by one, as long as the history still fails.
    private Fault[] Shrink(Scenario scenario, ulong seed, IEnumerable<Fault> all)
    {
        Fault[] faults = [.. all];
        for (var chunk = Math.Max(1, faults.Length / 2); ; chunk = Math.Max(1, chunk / 2))
        {
            var before = faults.Length;
            for (var from = 0; from < faults.Length; )
            {
                Fault[] fewer = [.. faults[..from], .. faults[Math.Min(faults.Length, from + chunk)..]];
                if (Run(scenario, seed, new ListedFaults(fewer)).Failure is not null)
                    faults = fewer;
                else
                    from += chunk;
            }

            if (chunk == 1 && faults.Length == before)
                return faults;
        }
    }

    private sealed class RecordedReceivers : IFaults
    {
        public List<(ActorRole To, int Turn)> Receivers { get; } = [];

        public void Decide(int turn, ActorRole to, ICollection<Fault> faults) => Receivers.Add((to, turn));
    }
}
