using System.Collections.Immutable;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation;

/// <summary>The silos of a simulated run and the coordinators that lead it, those that are gone included.</summary>
internal sealed class Cluster
{
    /// <summary>How long a step may take without any progress.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    private const int MaxSilos = 5;

    // More requests to lead than any coordinator makes.
    private const int AttemptsOfOne = 1000;

    private readonly RunPlan plan;
    private readonly Func<ActorId, Actor> create;
    private readonly InFlightMessages underWay;
    private readonly List<SimulatedSilo> silos = [];
    private readonly List<Leader> leaders = [];

    /// <param name="plan">The run.</param>
    /// <param name="create">Makes a part without state.</param>
    /// <param name="exchanges">How many silos there are.</param>
    /// <param name="underWay">Where notices go.</param>
    public Cluster(RunPlan plan, Func<ActorId, Actor> create, int exchanges, InFlightMessages underWay)
    {
        (this.plan, this.create, this.underWay) = (plan, create, underWay);
        for (var silo = 0; silo < exchanges; silo++)
            silos.Add(new SimulatedSilo(silo, create));
        leaders.Add(NewLeader(silos[0]));
    }

    /// <summary>The coordinator that began to lead last.</summary>
    public Leader Newest => leaders[^1];

    public IReadOnlyList<Leader> Leaders => leaders;

    public IReadOnlyList<SimulatedSilo> Silos => silos;

    public IEnumerable<SimulatedSilo> Living => silos.Where(silo => silo.IsAlive);

    public bool IsLed => leaders[^1].IsActive || leaders.Exists(leader => leader.IsActive);

    public SimulatedSilo? Find(string name) => silos.Find(silo => silo.Name == name);

    /// <summary>Whom a message reaches that is for a coordinator: mostly the newest.</summary>
    public Leader? Receiver(int place, uint choice)
    {
        if (place != Address.Anyone)
            return leaders[place].IsAlive ? leaders[place] : null;
        if (leaders[^1].IsActive && (leaders.Count == 1 || choice % 4 > 0))
            return leaders[^1];
        Leader[] active = [.. leaders.Where(leader => leader.IsActive)];
        return active.Length == 0 ? null : active[choice / 4 % active.Length];
    }

    /// <summary>A new coordinator, on one of the silos that stay.</summary>
    public Leader Lead(uint choice)
    {
        SimulatedSilo[] staying = [.. Living.Where(silo => !silo.IsLeaving)];
        if (staying.Length == 0)
            staying = [.. Living];
        leaders.Add(NewLeader(staying[choice % staying.Length]));
        return Newest;
    }

    /// <summary>The silos that can take part as a coordinator lists them: its own first, if it can.</summary>
    public ImmutableArray<string> MembersFor(Leader leader) => Members(leader.Silo);

    /// <summary>A silo finds that it lacks the data, or has them again; it lives on either way, and may be the
    /// coordinator's.</summary>
    public bool TryObject(uint choice, bool objects)
    {
        SimulatedSilo[] others = [.. Living.Where(silo => silo.Objects != objects)];
        if (others.Length == 0)
            return false;
        others[choice % others.Length].Objects = objects;
        MembersChanged();
        return true;
    }

    /// <summary>Every silo has the data.</summary>
    public void EndObjections()
    {
        if (!silos.Exists(silo => silo.Objects))
            return;
        foreach (var silo in silos)
            silo.Objects = false;
        MembersChanged();
    }

    public void Crash(Leader leader)
    {
        leader.IsAlive = false;
        underWay.Add(new Envelope(Address.Leader, Address.Leader, null, Notice.Wake));
    }

    public void Crash(SimulatedSilo silo)
    {
        silo.Die();
        if (!Living.Any())
            silos.Add(new SimulatedSilo(silos.Count, create));
        foreach (var leader in leaders.Where(l => l.IsAlive && l.Silo == silo))
            Crash(leader);
        MembersChanged();
    }

    public bool TryJoin()
    {
        if (Living.Count() >= MaxSilos)
            return false;
        silos.Add(new SimulatedSilo(silos.Count, create));
        MembersChanged();
        return true;
    }

    public bool TryLeave(uint choice)
    {
        SimulatedSilo[] staying = [.. Living.Where(silo => !silo.IsLeaving)];
        if (staying.Length < 2)
            return false;
        staying[choice % staying.Length].IsLeaving = true;
        return true;
    }

    /// <summary>Silos ask to be rid of their parts until they are.</summary>
    public void SeeLeaversOff(Leader leader, IOutbox outbox)
    {
        for (var number = 0; number < silos.Count; number++)
        {
            var silo = silos[number];
            if (!silo.IsLeaving || !silo.IsAlive || leader != Newest || !leader.IsAlive || leader.State.Status.IsOver())
                continue;
            leader.State.Leave(silo.Name, outbox);
            if (leader.State.IsRidOf(silo.Name) && (leader.Silo == silo || leader.IsActive))
                Crash(silo);
        }
    }

    /// <summary>Only the newest coordinator stays.</summary>
    public void EndRivalry()
    {
        foreach (var rival in leaders.SkipLast(1))
            rival.IsAlive = false;
    }

    private Leader NewLeader(SimulatedSilo silo) =>
        new(
            leaders.Count,
            silo,
            new CoordinatorActor(
                plan,
                term: 0,
                silo.Name,
                Members(silo),
                Deadline,
                attempts: AttemptsOfOne * leaders.Count
            )
        );

    private ImmutableArray<string> Members(SimulatedSilo first) =>
        [.. Living.Where(silo => silo != first).Prepend(first).Where(silo => !silo.Objects).Select(silo => silo.Name)];

    private void MembersChanged()
    {
        foreach (var leader in leaders.Where(l => l.IsActive))
            underWay.Add(
                new Envelope(Address.Leader, new Address(leader.Number, ActorId.Coordinator), null, Notice.Members)
            );
    }
}
