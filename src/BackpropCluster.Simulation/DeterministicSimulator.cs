using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation;

/// <summary>Carries the messages of the very state machines that grains run, in one thread, in an order that a seed
/// determines.</summary>
/// <remarks>Each turn picks a message under way and may meet faults. When nothing is under way any more, virtual time
/// passes until the coordinator's deadline. One seed and one list of faults are one history, so a failing one replays
/// by itself.</remarks>
public sealed class DeterministicSimulator
{
    private readonly RunPlan plan;
    private readonly Dataset data;
    private readonly MemoryStore store;
    private readonly CounterRandom chance;
    private readonly int window;
    private readonly InFlightMessages underWay = new();
    private readonly Cluster cluster;
    private readonly SafetyInvariants rules;
    private readonly Routes routes;
    private readonly FaultActions actions;
    private IFaults faults;
    private bool hasBegun;
    private TimeSpan now;

    /// <param name="plan">The run.</param>
    /// <param name="data">Its rows.</param>
    /// <param name="create">Makes a part without state.</param>
    /// <param name="disturbance">What is done to the messages.</param>
    /// <param name="seed">Names the history.</param>
    /// <param name="store">What an earlier run of the same plan left; empty where none is given.</param>
    /// <param name="exchanges">Silos with an exchange each, which carries what their actors say.</param>
    public DeterministicSimulator(
        RunPlan plan,
        Dataset data,
        Func<ActorId, Actor> create,
        Disturbance disturbance,
        ulong seed,
        MemoryStore? store = null,
        int exchanges = 1
    )
        : this(
            plan,
            data,
            create,
            disturbance.FaultsOf(seed),
            seed,
            store ?? new MemoryStore(),
            exchanges,
            int.MaxValue,
            null
        ) { }

    /// <param name="plan">The run.</param>
    /// <param name="data">Its rows.</param>
    /// <param name="create">Makes a part without state.</param>
    /// <param name="faults">What goes wrong.</param>
    /// <param name="seed">The order of delivery.</param>
    /// <param name="store">Where the run is saved.</param>
    /// <param name="exchanges">As above.</param>
    /// <param name="window">A message overtakes fewer than this many others at a time; with 1 all come in the order of
    /// their sending.</param>
    /// <param name="golden">What the run must come to, if that is known.</param>
    public DeterministicSimulator(
        RunPlan plan,
        Dataset data,
        Func<ActorId, Actor> create,
        IFaults faults,
        ulong seed,
        MemoryStore store,
        int exchanges,
        int window,
        Golden? golden
    )
    {
        (this.plan, this.data, this.faults, this.store, this.window) = (plan, data, faults, store, window);
        chance = new CounterRandom(seed, RandomPurpose.Simulation, 0);
        rules = new SafetyInvariants(plan, store, golden);
        cluster = new Cluster(plan, create, exchanges, underWay);
        routes = new Routes(plan, cluster, underWay, rules, Load);
        actions = new FaultActions(this, plan, cluster, underWay, store, rules);
    }

    /// <summary>The coordinator that began to lead last.</summary>
    public CoordinatorActor Coordinator => cluster.Newest.State;

    /// <summary>What parts said of traced steps, in the order in which they computed.</summary>
    public List<Observation> Observations => routes.Observations;

    /// <summary>What happened so far; the coordinators' own counts are entered when <see cref="CountLeaders"/> is
    /// called.</summary>
    public Tally Tally { get; } = new();

    public int Delivered => (int)Tally.Deliveries;
    public int Repeated => (int)Tally.Repeats;
    public int Lost => (int)Tally.Losses;
    public int Crashed => (int)Tally.Crashes;

    /// <summary>Turns so far: what a fault's turn counts.</summary>
    public int Turns { get; private set; }

    /// <summary>What faults did, one line each.</summary>
    public IReadOnlyList<string> Journal => actions.Journal;

    /// <summary>Whether <see cref="Journal"/> is kept.</summary>
    public bool KeepsJournal
    {
        get => actions.KeepsJournal;
        set => actions.KeepsJournal = value;
    }

    /// <summary>What the exchanges' silos carried.</summary>
    public Traffic Traffic =>
        cluster
            .Living.Select(silo => silo.Known(ActorId.Exchange(silo.Number)))
            .OfType<Exchange>()
            .Aggregate(default(Traffic), (sum, exchange) => sum + exchange.Traffic);

    internal bool StoreIsDown => Turns < actions.StoreDownUntil;

    internal SafetyInvariants Rules => rules;

    internal bool IsLed => cluster.IsLed;

    /// <summary>Makes the parts that a run is made of.</summary>
    public static Actor Product(ActorId id) =>
        id.Kind switch
        {
            ActorRole.Source => new SourceActor(),
            ActorRole.Loss => new LossActor(),
            ActorRole.Exchange => new Exchange(SimulatedSilo.NameOf(id.Index)),
            _ => new ShardActor(id),
        };

    /// <summary>Runs to the end, or on to it.</summary>
    /// <param name="deliveries">After so many, everything but the store is gone in the middle of whatever it
    /// did.</param>
    /// <returns>The result; <see langword="null"/> where the run failed (<see cref="CoordinatorActor.Failure"/> says
    /// why), was interrupted or cut off.</returns>
    public TrainingResult? Run(int deliveries = int.MaxValue)
    {
        while (!Coordinator.Status.IsOver() && Delivered < deliveries)
            Turn();
        if (Coordinator.Status != RunStatus.Completed)
            return null;
        return Read()
            ?? throw new InvariantViolationException(
                $"a shard cannot read version {Coordinator.CommittedSteps} of a completed run"
            );
    }

    /// <summary>Brings one message to its receiver, or lets time pass where none is under way; and whatever goes wrong
    /// meanwhile.</summary>
    public void Turn()
    {
        if (!hasBegun)
            Begin(cluster.Newest);
        hasBegun = true;
        Turns++;
        actions.ReleaseHeld(late: rules.Committed);
        if (underWay.Count == 0)
        {
            if (cluster.IsLed)
                PassDeadline();
            else
                Lead();
            return;
        }

        var bits = chance.Bits((ulong)Turns);
        var envelope = underWay.Take(
            window == 1 ? 0 : (int)(((bits >> 32) * (ulong)Math.Min(window, underWay.Count)) >> 32)
        );
        var fate = Fate.Arrives;
        if (!ReferenceEquals(faults, ListedFaults.None))
            fate = actions.Meet(faults, Turns, envelope);
        if (fate.HasFlag(Fate.Arrives))
            Deliver(envelope, (uint)bits);
        if (fate.HasFlag(Fate.ComesAgain))
            underWay.Add(envelope);
    }

    /// <summary>A new coordinator leads the run.</summary>
    internal void Lead() => Begin(cluster.Lead((uint)chance.Bits((1UL << 40) + (ulong)Turns)));

    /// <summary>No more faults: the store is up, rivals are gone, what was held back is under way.</summary>
    internal void Calm()
    {
        faults = ListedFaults.None;
        actions.StoreDownUntil = 0;
        actions.ReleaseHeld(late: int.MaxValue);
        cluster.EndRivalry();
        cluster.EndObjections();
    }

    /// <summary>Delivers everything that is under way still, after the end.</summary>
    internal void Settle()
    {
        while (underWay.Count > 0)
            Turn();
    }

    /// <summary>The deadline passes: the first tick tells a coordinator the time, the second that the deadline has
    /// passed since.</summary>
    internal void PassDeadline()
    {
        now += Cluster.Deadline;
        foreach (var leader in cluster.Leaders)
        {
            if (!leader.IsActive)
                continue;
            routes.Speaker = new(leader.Number, ActorId.Coordinator);
            leader.State.Tick(now - Cluster.Deadline, routes);
            leader.State.Tick(now, routes);
            rules.LeaderMoved(leader);
        }
    }

    /// <summary>What a client reads of a completed run; <see langword="null"/> if a shard does not have it any
    /// more.</summary>
    internal TrainingResult? Read()
    {
        var state = Coordinator;
        var key = new MessageKey(
            plan.Fingerprint,
            state.Term,
            state.CommittedSteps,
            Phase.Evaluate,
            0,
            ActorId.Coordinator,
            default
        );
        var shards = new Dictionary<ShardRange, ShardParameters>();
        foreach (var range in Enumerable.Range(1, plan.Depth).SelectMany(layer => plan.ShardsOf(layer)))
        {
            var part = ActorId.Shard(range.Layer, range.Index);
            var silo = cluster.Find(state.Placement!.SiloOf(plan.OrdinalOf(part)))!;
            if (!silo.IsAlive)
                return null;
            routes.Speaker = new(silo.Number, part);
            if (((ShardActor)silo.Part(part)).Read(key, 0, range.Units, routes) is not { } parameters)
                return null;
            shards.Add(range, parameters);
        }

        return new TrainingResult(
            ParametersAssembly.Assemble(plan, range => shards[range]),
            [.. state.Losses],
            [.. state.Evaluations]
        );
    }

    /// <summary>Enters what all coordinators counted.</summary>
    internal void CountLeaders()
    {
        foreach (var leader in cluster.Leaders)
        {
            Tally.Recoveries += leader.State.Recoveries;
            Tally.Moves += leader.State.Moves;
            Tally.ReplayedSteps += leader.State.ReplayedSteps;
        }
    }

    private void Begin(Leader leader)
    {
        routes.Speaker = new(leader.Number, ActorId.Coordinator);
        leader.State.Tick(now, routes);
        leader.State.Start(routes);
    }

    private void Deliver(in Envelope envelope, uint choice)
    {
        var to = envelope.To;
        if (envelope.Message is null)
            DeliverNotice(envelope);
        else if (to.Part.Kind == ActorRole.Coordinator)
            DeliverToLeader(envelope, choice);
        else if (to.Part.Kind == ActorRole.Store)
            DeliverToStore(envelope, refuse: StoreIsDown);
        else
            DeliverToPart(cluster.Silos[to.Place], to.Part, envelope.Message);
    }

    private void DeliverNotice(in Envelope envelope)
    {
        if (envelope.Notice == Notice.Wake)
        {
            if (!cluster.IsLed && !Coordinator.Status.IsOver())
                Lead();
        }
        else if (envelope.Notice == Notice.Release)
            cluster.Silos[envelope.To.Place].ForgetAll();
        else if (cluster.Receiver(envelope.To.Place, 0) is { } leader)
        {
            routes.Speaker = new(leader.Number, ActorId.Coordinator);
            leader.State.MembersChanged(cluster.MembersFor(leader), [], routes);
        }
    }

    private void DeliverToLeader(in Envelope envelope, uint choice)
    {
        Tally.Deliveries++;
        if (cluster.Receiver(envelope.To.Place, choice) is not { } leader)
            return;
        routes.Speaker = new(leader.Number, ActorId.Coordinator);
        if (envelope.Message is LeadershipGranted led)
            rules.Heard(leader.Number, led);
        leader.State.Receive(envelope.Message!, routes);
        rules.LeaderMoved(leader);
        cluster.SeeLeaversOff(leader, routes);
    }

    /// <summary>A request to the store is a call, done once or not at all.</summary>
    internal void DeliverToStore(in Envelope envelope, bool refuse)
    {
        Tally.Deliveries++;
        (routes.Speaker, routes.Asker) = (Address.Store, envelope.From);
        var message = envelope.Message!;
        if (refuse)
        {
            MemoryStore.Refuse(message, routes);
            rules.Refused(message);
            Tally.StoreFaults++;
            return;
        }

        var before = store.Newest;
        store.Receive(message, routes);
        if (store.Newest is { } made && made != before)
            rules.Counts(made);
        if (message is AcquireLeadership)
            rules.Led(envelope.From.Place, store.Given!);
        else if (message is CommitCheckpoint && store.Newest is { } newest && newest.Version == message.Key.Step)
            rules.HeadMoved(newest);
    }

    private void DeliverToPart(SimulatedSilo silo, ActorId id, Message message)
    {
        Tally.Deliveries++;
        if (!silo.IsAlive)
            return;
        routes.Speaker = new(silo.Number, id);
        var part = silo.Part(id);
        if (message is Restore restore && part is Exchange exchange && exchange.Adopts(restore))
            silo.Follow(restore, name => new(cluster.Find(name)!.Number, ActorId.Exchange(cluster.Find(name)!.Number)));
        var (term, version) = (part.Term, part.Version);
        part.Receive(message, routes);
        rules.PartMoved(part, term, version, message);
    }

    private Loaded Load(Address by, Restore restore, bool rows) =>
        rows && cluster.Silos[by.Place] is { Objects: true } silo ? new RowsUnreadable($"{silo.Name} has other data")
        : restore.From is not { } from ? new LoadedState(null, data)
        : store.CanOpen(plan, from) ? new LoadedState(store.Open(plan, from), data)
        : new CheckpointUnreadable();
}
