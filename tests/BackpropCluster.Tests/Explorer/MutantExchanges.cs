using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Explorer;

/// <summary>An exchange whose words are changed on their way to its carrier.</summary>
internal abstract class ExchangeOfOtherWords(string silo) : Exchange(silo)
{
    protected override void Handle(Message message, IOutbox outbox) =>
        base.Handle(message, new ChangedOutbox(this, outbox));

    protected abstract void Send(Recipients to, Message message, IOutbox outbox);

    private sealed class ChangedOutbox(ExchangeOfOtherWords exchange, IOutbox outbox) : IOutbox
    {
        public void Send(Recipients to, Message message) => exchange.Send(to, message, outbox);

        public void Load(Restore restore, bool rows) => outbox.Load(restore, rows);

        public void Observe(Observation observation) => outbox.Observe(observation);
    }
}

/// <summary>Gathers by arrival: the arrays of a layer stand in the order in which they came, so that every sum over
/// them is another.</summary>
internal sealed class ExchangeThatGathersByArrival(string silo) : Exchange(silo)
{
    private readonly Dictionary<(int Term, int Step, Phase Phase, int Layer, int Microbatch), List<int>> arrived = [];

    public override void Receive(Message message, IOutbox outbox)
    {
        if (message is (Activations or Deltas) and { Key: { From: { Kind: ActorRole.Shard } from } key })
        {
            var at = (key.Term, key.Step, key.Phase, from.Layer, key.Microbatch);
            if (!arrived.TryGetValue(at, out var senders))
                arrived.Add(at, senders = []);
            if (!senders.Contains(from.Index))
                senders.Add(from.Index);
            message = message with { Key = key with { From = ActorId.Shard(from.Layer, senders.IndexOf(from.Index)) } };
        }

        base.Receive(message, outbox);
    }
}

/// <summary>Forwards before its last sender: with the first array of a layer its receivers get what the layer was a
/// step ago.</summary>
internal sealed class ExchangeThatForwardsEarly(string silo) : ExchangeOfOtherWords(silo)
{
    private readonly Dictionary<(int Layer, int Microbatch), Payload> before = [];
    private (int Step, int Layer, int Microbatch) sent;

    protected override void Handle(Message message, IOutbox outbox)
    {
        if (message is Activations { Key: { Phase: Phase.Forward, From: { Kind: ActorRole.Shard } from } key })
        {
            var at = (key.Step, from.Layer, key.Microbatch);
            if (
                at != sent
                && from.Layer < Plan.Depth
                && before.TryGetValue((from.Layer, key.Microbatch), out var stale)
            )
                outbox.Send(Recipients.ShardsOf(from.Layer + 1), new Activations(key with { From = Id }, stale));
            sent = at;
        }

        base.Handle(message, outbox);
    }

    protected override void Send(Recipients to, Message message, IOutbox outbox)
    {
        // A copy: the array itself is filled anew in the next step.
        if (to.Kind == RecipientKind.Layer && message is Activations { Key: { Phase: Phase.Forward } key } y)
            before[(to.Number - 1, key.Microbatch)] = new Payload(y.Values.Units, y.Values.Rows, [.. y.Values.Values]);
        outbox.Send(to, message);
    }
}

/// <summary>Loses the last sender of a bundle in the second microbatch: zeros cross in its place.</summary>
internal sealed class ExchangeThatLosesTheLastOfABundle(string silo) : ExchangeOfOtherWords(silo)
{
    protected override void Send(Recipients to, Message message, IOutbox outbox)
    {
        if (to.Kind == RecipientKind.Exchange && message is Activations { Key.Microbatch: 1 } y)
        {
            double[] values = [.. y.Values.Values];
            values.AsSpan(values.Length - y.Values.Rows).Clear();
            message = y with { Values = new Payload(y.Values.Units, y.Values.Rows, values) };
        }

        outbox.Send(to, message);
    }
}

/// <summary>Routes by the placement that it was restored with first: a silo that came later gets no layer.</summary>
internal sealed class ExchangeThatRoutesByAnOldPlacement(string silo) : ExchangeOfOtherWords(silo)
{
    private Placement? first;
    private Placement? now;

    protected override void Load(Restore restore)
    {
        base.Load(restore);
        (first, now) = (first ?? restore.Placement, restore.Placement);
    }

    protected override void Send(Recipients to, Message message, IOutbox outbox)
    {
        if (to.Kind != RecipientKind.Exchange || first!.Uses(now!.Silos[to.Number]))
            outbox.Send(to, message);
    }
}
