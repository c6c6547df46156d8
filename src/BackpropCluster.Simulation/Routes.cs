using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation;

/// <summary>Takes what a machine says to where it goes: each silo's actors talk to their exchange, exchanges to each
/// other and to the coordinator, as grains do.</summary>
internal sealed class Routes(
    RunPlan plan,
    Cluster cluster,
    InFlightMessages underWay,
    SafetyInvariants rules,
    Func<Address, Restore, bool, Loaded> load
) : IOutbox
{
    /// <summary>Who is speaking: whoever a message was delivered to last.</summary>
    public Address Speaker { get; set; }

    /// <summary>Whom the store answers.</summary>
    public Address Asker { get; set; }

    /// <summary>What parts said of traced steps, in the order in which they computed.</summary>
    public List<Observation> Observations { get; } = [];

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

    private void Route(Recipients to, Message message)
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
        var leader = cluster.Leaders[Speaker.Place];
        if (message is Restore restore)
        {
            var next = Router.OfCoordinator(plan, restore.Placement, ExchangeOn);
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
            foreach (var receiver in cluster.Silos[Speaker.Place].Router.ReceiversOf(to))
                Add(receiver, message);
    }

    private Address ExchangeOn(string silo) => ExchangeOn(cluster.Find(silo)!.Number);

    private static Address ExchangeOn(int silo) => new(silo, ActorId.Exchange(silo));

    private void Add(Address to, Message? message, Notice notice = Notice.None) =>
        underWay.Add(new Envelope(Speaker, to, message, notice));
}
