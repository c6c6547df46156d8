using System.Collections.Immutable;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation;

/// <summary>Carries the messages of the very state machines that grains run, in one thread, in an order that a seed determines.</summary>
/// <remarks>Each delivery picks any message under way: reordering without a limit. When nothing is under way any more, virtual time
/// passes until the coordinator's deadline. One seed is one history, so a failing one replays by itself.</remarks>
public sealed class SeededCarrier
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);
    private readonly RunPlan plan;
    private readonly Disturbance disturbance;
    private readonly Func<PartId, PartState> create;
    private readonly AddressedRandom chance;
    private readonly Dictionary<PartId, PartState> parts;
    private readonly CoordinatorState coordinator;
    private readonly List<(PartId To, Message Message)> underWay = [];
    private readonly MemoryStore store;
    private readonly ImmutableArray<string> silos;
    private readonly CarrierOutbox outbox;
    private ulong draws;
    private TimeSpan now;

    /// <param name="plan">The run.</param>
    /// <param name="create">Makes a part without state.</param>
    /// <param name="disturbance">What is done to the messages.</param>
    /// <param name="seed">Names the history.</param>
    /// <param name="store">What an earlier run of the same plan left; empty where none is given.</param>
    /// <param name="relays">Silos with a relay each, which carries what their parts say; 0 carries every message by itself.</param>
    public SeededCarrier(RunPlan plan, Func<PartId, PartState> create, Disturbance disturbance, ulong seed, MemoryStore? store = null, int relays = 0)
    {
        (this.plan, this.create, this.disturbance, this.store) = (plan, create, disturbance, store ?? new MemoryStore());
        chance = new AddressedRandom(seed, RandomPurpose.Simulation, 0);
        silos = [.. Enumerable.Range(0, Math.Max(relays, 1)).Select(SiloName)];
        // With relays, each silo may have a Source: they are told apart by the silo's number.
        parts = plan.Parts.Concat(Enumerable.Range(0, relays).SelectMany(silo => new[] { PartId.Relay(silo), PartId.Source with { Index = silo } })).Distinct().ToDictionary(p => p, create);
        coordinator = new CoordinatorState(plan, term: 0, silos, Deadline);
        outbox = relays == 0 ? new CarrierOutbox(this) : new RelayedOutbox(this);
    }

    public CoordinatorState Coordinator => coordinator;

    /// <summary>What parts said of traced steps, in the order in which they computed.</summary>
    public List<Observation> Observations { get; } = [];

    public int Delivered { get; private set; }
    public int Repeated { get; private set; }
    public int Lost { get; private set; }
    public int Crashed { get; private set; }

    /// <summary>The parts that a run is made of.</summary>
    public static Func<PartId, PartState> Parts(Func<RunPlan, Dataset> open, MemoryStore? store = null) => id => id.Kind switch
    {
        PartKind.Source => new SourceState(open),
        PartKind.Loss => new LossState(open),
        PartKind.Relay => new RelayState(SiloName(id.Index)),
        _ => new SliceState(id, store is null ? NoStore : store.Open),
    };

    /// <summary>Runs to the end, or on to it.</summary>
    /// <param name="deliveries">After so many, everything but the store is gone in the middle of whatever it did.</param>
    /// <returns>The result; <see langword="null"/> where the run failed (<see cref="CoordinatorState.Failure"/> says why), was interrupted or cut off.</returns>
    public TrainingResult? Run(int deliveries = int.MaxValue)
    {
        if (Delivered == 0) coordinator.Start(outbox);
        while (!coordinator.Status.IsOver() && Delivered < deliveries)
        {
            if (underWay.Count > 0) DeliverOne();
            else LetTimePass();
        }

        return coordinator.Status == RunStatus.Completed ? Result() : null;
    }

    /// <summary>What the relays' silos carried.</summary>
    public Traffic Traffic => parts.Values.OfType<RelayState>().Aggregate(default(Traffic), (sum, relay) => sum + relay.Traffic);

    private static string SiloName(int silo) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"silo-{silo + 1}");

    private static SavedModel NoStore(RunPlan plan, CheckpointId id) => throw new InvariantViolationException("a part of a run without a store was sent to a checkpoint");

    private void DeliverOne()
    {
        var index = chance.Below(underWay.Count, draws++);
        var (to, message) = underWay[index];
        // About one fault in fifty deliveries, until the counts are used up: early and late steps get their share.
        var fault = chance.Unit(draws++);
        if (fault < 0.02 && Lost < disturbance.Losses)
        {
            Lost++;
            Remove(index);
            return;
        }

        if (fault > 0.98 && Crashed < disturbance.Crashes && to.Kind is not (PartKind.Coordinator or PartKind.Store))
        {
            Crashed++;
            parts[to] = create(to);
        }

        // A request to the store is a call, done once or not at all; its answer may be repeated like any message.
        if (chance.Unit(draws++) < disturbance.RepeatShare && to.Kind != PartKind.Store) Repeated++;
        else Remove(index);
        Delivered++;
        outbox.Speaker = to;
        if (to.Kind == PartKind.Coordinator) coordinator.Receive(message, outbox);
        else if (to.Kind == PartKind.Store) store.Receive(message, outbox);
        else parts[to].Receive(message, outbox);
    }

    private void Remove(int index)
    {
        underWay[index] = underWay[^1];
        underWay.RemoveAt(underWay.Count - 1);
    }

    // The first tick tells the coordinator the time, the second that the deadline has passed since.
    private void LetTimePass()
    {
        outbox.Speaker = PartId.Coordinator;
        coordinator.Tick(now, outbox);
        now += Deadline;
        coordinator.Tick(now, outbox);
    }

    private TrainingResult Result()
    {
        var key = new MessageKey(plan.Fingerprint, coordinator.Term, coordinator.CommittedSteps, Phase.Evaluate, 0, PartId.Coordinator, default);
        var parameters = ParametersAssembly.Assemble(plan, range =>
            ((SliceState)parts[PartId.Slice(range.Layer, range.Index)]).Read(key, outbox)
            ?? throw new InvariantViolationException($"{range} cannot read version {coordinator.CommittedSteps} of a completed run"));
        return new TrainingResult(parameters, [.. coordinator.Losses], [.. coordinator.Evaluations]);
    }

    private class CarrierOutbox(SeededCarrier carrier) : IOutbox
    {
        protected SeededCarrier Carrier => carrier;

        /// <summary>Who is speaking: the part that a message was delivered to last.</summary>
        public PartId Speaker { get; set; } = PartId.Coordinator;

        public virtual void Send(Recipients to, Message message)
        {
            switch (to.Kind)
            {
                case RecipientKind.Coordinator: Add(PartId.Coordinator, message); break;
                case RecipientKind.Source: Add(PartId.Source, message); break;
                case RecipientKind.Loss: Add(PartId.Loss, message); break;
                case RecipientKind.Store: Add(PartId.Store, message); break;
                case RecipientKind.Layer:
                    foreach (var slice in carrier.plan.SlicesOf(to.Number)) Add(PartId.Slice(slice.Layer, slice.Index), message);
                    break;
                default:
                    foreach (var part in carrier.plan.Parts) Add(part, message);
                    break;
            }
        }

        public void Observe(Observation observation) => carrier.Observations.Add(observation);

        protected void Add(PartId to, Message message) => carrier.underWay.Add((to, message));
    }

    /// <summary>Each silo's parts talk to their relay, relays to each other and to the coordinator.</summary>
    private sealed class RelayedOutbox(SeededCarrier carrier) : CarrierOutbox(carrier)
    {
        private RunPlan Plan => Carrier.plan;

        public override void Send(Recipients to, Message message)
        {
            switch (to.Kind, Speaker.Kind)
            {
                case (RecipientKind.Relay, _):
                    Add(PartId.Relay(to.Number), message);
                    break;
                case (RecipientKind.Store, _) or (RecipientKind.Coordinator, PartKind.Relay):
                    base.Send(to, message);
                    break;
                case (_, PartKind.Store):
                    if (message is Saved saved) Add(PartId.Relay(SiloOf(saved.Parts[0].Slice)), message);
                    else base.Send(to, message);
                    break;
                case (_, PartKind.Coordinator):
                    FromCoordinator(to, message);
                    break;
                case (_, PartKind.Relay):
                    ToPartsHere(to, message);
                    break;
                default:
                    Add(PartId.Relay(SiloOf(Speaker)), message);
                    break;
            }
        }

        private void FromCoordinator(Recipients to, Message message)
        {
            for (var silo = 0; silo < Carrier.silos.Length; silo++)
                if (to.Kind != RecipientKind.Source || Carrier.coordinator.Placement!.HasSource(Plan, silo)) Add(PartId.Relay(silo), message);
        }

        private void ToPartsHere(Recipients to, Message message)
        {
            foreach (var part in Carrier.coordinator.Placement!.PartsOn(Plan, Speaker.Index).Where(p => IsMeant(p, to)))
                Add(part.Kind == PartKind.Source ? part with { Index = Speaker.Index } : part, message);
        }

        private static bool IsMeant(PartId part, Recipients to) => to.Kind switch
        {
            RecipientKind.Everyone => true,
            RecipientKind.Layer => part.Kind == PartKind.Slice && part.Layer == to.Number,
            RecipientKind.Source => part.Kind == PartKind.Source,
            _ => part.Kind == PartKind.Loss,
        };

        private int SiloOf(PartId part) => part.Kind == PartKind.Source ? part.Index : Carrier.coordinator.Placement!.SiloOfPart[Plan.OrdinalOf(part)];
    }
}
