using System.Globalization;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation;

/// <summary>What becomes of the message whose turn it is.</summary>
[Flags]
internal enum Fate
{
    Vanishes = 0,
    Arrives = 1,
    ComesAgain = 2,
}

/// <summary>Lets faults happen.</summary>
internal sealed class FaultActions(
    DeterministicSimulator carrier,
    RunPlan plan,
    Cluster cluster,
    InFlightMessages underWay,
    MemoryStore store,
    SafetyInvariants rules
)
{
    private readonly List<Fault> decided = [];
    private readonly List<(int Until, Envelope Envelope)> held = [];
    private readonly List<string> journal = [];

    public IReadOnlyList<string> Journal => journal;

    /// <summary>The turn in which a store that is down is up again.</summary>
    public int StoreDownUntil { get; set; }

    /// <summary>Whether the journal is kept: it costs more than a message.</summary>
    public bool KeepsJournal { get; set; }

    /// <summary>Lets all faults of a turn happen.</summary>
    public Fate Meet(IFaults faults, int turn, in Envelope envelope)
    {
        decided.Clear();
        faults.Decide(turn, envelope.To.Part.Kind, decided);
        var fate = Fate.Arrives;
        foreach (var fault in decided)
        {
            if (KeepsJournal)
                journal.Add(string.Create(CultureInfo.InvariantCulture, $"{fault}: {envelope}"));
            if (fault.Kind <= FaultKind.Overtake)
                fate = OfMessage(fault, envelope, fate);
            else if (!Happen(fault, envelope))
                fate = Fate.Vanishes;
        }

        return fate;
    }

    /// <summary>What was held back until so many steps were committed is under way again.</summary>
    public void ReleaseHeld(int late)
    {
        for (var i = held.Count - 1; i >= 0; i--)
        {
            if (held[i].Until > late)
                continue;
            underWay.Add(held[i].Envelope);
            held.RemoveAt(i);
        }
    }

    private Fate OfMessage(Fault fault, in Envelope envelope, Fate fate)
    {
        // Notices stand for what a silo sees by itself; they are late, but not lost.
        if (envelope.Message is null || fate == Fate.Vanishes)
            return fate;
        switch (fault.Kind)
        {
            case FaultKind.Lose:
                carrier.Tally.Losses++;
                return Fate.Vanishes;
            case FaultKind.Repeat or FaultKind.RepeatLate when envelope.To.Part.Kind == ActorRole.Store:
                return fate;
            case FaultKind.RepeatLate:
                carrier.Tally.Repeats++;
                held.Add((rules.Committed + 1, envelope));
                return fate;
            case FaultKind.Repeat:
                carrier.Tally.Repeats++;
                return fate | Fate.ComesAgain;
            case FaultKind.Delay:
                carrier.Tally.Delays++;
                held.Add((rules.Committed + 2, envelope));
                return Fate.Vanishes;
            default:
                carrier.Tally.Delays++;
                return Fate.ComesAgain;
        }
    }

    /// <returns>Whether the message arrives still.</returns>
    private bool Happen(Fault fault, in Envelope envelope)
    {
        switch (fault.Kind)
        {
            case FaultKind.CrashSender:
                return Crash(envelope.From);
            case FaultKind.CrashReceiver:
                return Crash(envelope.To);
            case FaultKind.CrashCoordinator:
                return Crash(Address.Leader);
            case FaultKind.RefuseRequest when envelope is { To.Part.Kind: ActorRole.Store, Message: not null }:
                carrier.DeliverToStore(envelope, refuse: true);
                return false;
            case FaultKind.TearWrite
                when envelope.Message is SaveShard save && envelope.To.Part.Kind == ActorRole.Store:
                store.Tear(save);
                carrier.Tally.StoreFaults++;
                return false;
            case FaultKind.StoreDown:
                StoreDownUntil = carrier.Turns + 5 + (int)(fault.Choice % 60);
                break;
            case FaultKind.DamageCheckpoint when store.Damage(plan, fault.Choice):
                rules.Damaged(store.Newest!);
                carrier.Tally.StoreFaults++;
                break;
            case FaultKind.DamageScores when store.DamageScores(fault.Choice):
                rules.ScoresDamaged();
                carrier.Tally.StoreFaults++;
                break;
            default:
                HappenToCluster(fault);
                break;
        }

        return true;
    }

    private void HappenToCluster(Fault fault)
    {
        switch (fault.Kind)
        {
            case FaultKind.CrashSilo:
                SimulatedSilo[] living = [.. cluster.Living];
                LoseSilo(living[fault.Choice % living.Length]);
                break;
            case FaultKind.JoinSilo:
                cluster.TryJoin();
                break;
            case FaultKind.LeaveSilo:
                cluster.TryLeave(fault.Choice);
                break;
            case FaultKind.ObjectSilo or FaultKind.AcceptSilo:
                cluster.TryObject(fault.Choice, fault.Kind == FaultKind.ObjectSilo);
                break;
            case FaultKind.SecondCoordinator when cluster.IsLed:
                carrier.Lead();
                break;
            case FaultKind.Interrupt:
                carrier.Coordinator.Interrupt();
                break;
            case FaultKind.PassDeadline:
                carrier.PassDeadline();
                break;
        }
    }

    private bool Crash(Address who)
    {
        switch (who.Part.Kind)
        {
            // What was on its way to or from a store that goes down is lost; what it has written stays.
            case ActorRole.Store:
                carrier.Tally.StoreFaults++;
                return false;
            case ActorRole.Coordinator:
                if (cluster.Receiver(who.Place, 1) is { IsActive: true } leader)
                {
                    carrier.Tally.CoordinatorCrashes++;
                    cluster.Crash(leader);
                }

                return true;
            // An exchange shares the life of its silo.
            case ActorRole.Exchange:
                if (cluster.Silos[who.Place].IsAlive)
                    LoseSilo(cluster.Silos[who.Place]);
                return true;
            default:
                carrier.Tally.Crashes++;
                cluster.Silos[who.Place].Forget(who.Part);
                return true;
        }
    }

    private void LoseSilo(SimulatedSilo silo)
    {
        carrier.Tally.SiloLosses++;
        if (cluster.Leaders.Any(l => l.IsActive && l.Silo == silo))
            carrier.Tally.CoordinatorCrashes++;
        cluster.Crash(silo);
    }
}
