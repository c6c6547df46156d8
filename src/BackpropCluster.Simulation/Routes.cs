using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation;

/// <summary>Takes what a machine says to where it goes. Message by message: everybody can be spoken to
/// directly.</summary>
internal class DirectRoutes(
    RunPlan plan,
    Cluster cluster,
    InFlightMessages underWay,
    SafetyInvariants rules,
    Func<Address, Restore, bool, Loaded> load
) : IOutbox
{
    private readonly ActorId[] parts = [.. plan.Actors];

    /// <summary>Who is speaking: whoever a message was delivered to last.</summary>
    public Address Speaker { get; set; }

    /// <summary>Whom the store answers.</summary>
    public Address Asker { get; set; }

    /// <summary>What parts said of traced steps, in the order in which they computed.</summary>
    public List<Observation> Observations { get; } = [];

    protected Cluster Cluster => cluster;

    protected RunPlan Plan => plan;

    public void Send(Recipients to, Message message)
    {
        if (message is AcquireLeadership lead)
            rules.Leading(Speaker.Place, lead);
        else if (message is Restore restore && Speaker.Part.Kind == ActorRole.Coordinator)
            rules.Restoring(cluster.Leaders[Speaker.Place], restore);
        else if (message is Activations { Key: { Phase: Phase.Forward, From.Kind: ActorRole.Source } } rows)
            rules.RowsSent(rows);
        else if (message is Ready { Key.From.Kind: ActorRole.Shard } ready)
            rules.ShardReady(ready);
        Route(to, message);
    }

    /// <summary>What a Restore needs comes as a message, however long it takes.</summary>
    public void Load(Restore restore, bool rows) =>
        underWay.Add(
            new Envelope(Speaker, Speaker, restore with { Loaded = load(Speaker, restore, rows) }, Notice.None)
        );

    public void Observe(Observation observation)
    {
        if (observation is not RunObservation)
            Observations.Add(observation);
    }

    protected virtual void Route(Recipients to, Message message)
    {
        switch (to.Kind)
        {
            case RecipientKind.Coordinator:
                Add(Address.Leader, message);
                break;
            case RecipientKind.Store:
                Add(Address.Store, message);
                break;
            case RecipientKind.Source:
                Add(new(0, ActorId.Source), message);
                break;
            case RecipientKind.Loss:
                Add(new(0, ActorId.Loss), message);
                break;
            case RecipientKind.Layer:
                foreach (var shard in plan.ShardsOf(to.Number))
                    Add(new(0, ActorId.Shard(shard.Layer, shard.Index)), message);
                break;
            default:
                foreach (var part in parts)
                    Add(new(0, part), message);
                break;
        }
    }

    protected void Add(Address to, Message? message, Notice notice = Notice.None) =>
        underWay.Add(new Envelope(Speaker, to, message, notice));
}

/// <summary>Each silo's parts talk to their exchange, exchanges to each other and to the coordinator, as grains
/// do.</summary>
internal sealed class ExchangeRoutes(
    RunPlan plan,
    Cluster cluster,
    InFlightMessages underWay,
    SafetyInvariants rules,
    Func<Address, Restore, bool, Loaded> load
) : DirectRoutes(plan, cluster, underWay, rules, load)
{
    protected override void Route(Recipients to, Message message)
    {
        if (to.Kind == RecipientKind.Store)
        {
            Add(Address.Store, message);
            return;
        }

        switch (Speaker.Part.Kind)
        {
            case ActorRole.Store:
                // What a shard asked for is answered to its exchange, which answers for all shards there.
                Add(Asker.Part.Kind == ActorRole.Shard ? ExchangeOn(Asker.Place) : Address.Leader, message);
                break;
            case ActorRole.Coordinator:
                FromCoordinator(to, message);
                break;
            case ActorRole.Exchange:
                FromExchange(to, message);
                break;
            default:
                Add(ExchangeOn(Speaker.Place), message);
                break;
        }
    }

    private void FromCoordinator(Recipients to, Message message)
    {
        var leader = Cluster.Leaders[Speaker.Place];
        if (message is Restore restore)
        {
            var next = Router.OfCoordinator(Plan, restore.Placement, ExchangeOn);
            foreach (var gone in leader.Router.Everyone.Except(next.Everyone))
                Add(gone, null, Notice.Release);
            leader.Router = next;
        }

        foreach (var exchange in leader.Router.ReceiversOf(to))
            Add(exchange, message);
    }

    private void FromExchange(Recipients to, Message message)
    {
        if (to.Kind == RecipientKind.Coordinator)
            Add(Address.Leader, message);
        else
            foreach (var receiver in Cluster.Silos[Speaker.Place].Router.ReceiversOf(to))
                Add(receiver, message);
    }

    private Address ExchangeOn(string silo) => ExchangeOn(Cluster.Find(silo)!.Number);

    private static Address ExchangeOn(int silo) => new(silo, ActorId.Exchange(silo));
}
