namespace BackpropCluster.Core.Protocol;

/// <summary>The way from one layer to a neighbouring one, seen from one silo: who sends, who receives, and where each
/// stands.</summary>
/// <remarks>The Source is layer 0 and the Loss the layer above the last, so rows go up an edge like activations and
/// ∂E/∂y comes down one like deltas. Each silo that wants rows has a Source of its own, so from layer 0 nothing
/// crosses.</remarks>
internal sealed class LayerLink
{
    private readonly int[][] sendersOn;

    public LayerLink(RunPlan plan, Placement placement, int from, int to, int here)
    {
        (From, Here) = (from, here);
        var senders = ActorsOf(plan, from);
        Units = from == 0 || from > plan.Depth ? [plan.UnitsOf(senders[0])] : plan.ShardUnits(from);
        sendersOn =
        [
            .. placement.Silos.Select(
                (_, silo) =>
                    from == 0
                        ? placement.HasSource(plan, silo)
                            ? [0]
                            : []
                        : Enumerable.Range(0, senders.Length).Where(i => SiloOf(senders[i]) == silo).ToArray()
            ),
        ];
        UnitsHere = SendersHere.Sum(s => Units[s]);
        var receivers = ActorsOf(plan, to);
        ReceiversHere = receivers.Count(r => SiloOf(r) == here);
        SilosAcross = from == 0 ? [] : [.. receivers.Select(SiloOf).Distinct().Where(silo => silo != here).Order()];
        Receivers =
            to == 0 ? Recipients.Source
            : to > plan.Depth ? Recipients.Loss
            : Recipients.ShardsOf(to);

        int SiloOf(ActorId part) => placement.SiloOfPart[plan.OrdinalOf(part)];
    }

    /// <summary>The senders' layer.</summary>
    public int From { get; }

    public int Here { get; }

    /// <summary>Units of each sender.</summary>
    public int[] Units { get; }

    public int[] SendersHere => sendersOn[Here];

    /// <summary>Units of all senders here together.</summary>
    public int UnitsHere { get; }

    public Recipients Receivers { get; }

    public int ReceiversHere { get; }

    /// <summary>The other silos that hold a receiver.</summary>
    public int[] SilosAcross { get; }

    /// <summary>The senders' positions on a silo, in order; none where the placement has no such silo.</summary>
    public int[] SendersOn(int silo) => silo >= 0 && silo < sendersOn.Length ? sendersOn[silo] : [];

    private static ActorId[] ActorsOf(RunPlan plan, int layer) =>
        layer == 0 ? [ActorId.Source]
        : layer > plan.Depth ? [ActorId.Loss]
        : [.. plan.ShardsOf(layer).Select(s => ActorId.Shard(layer, s.Index))];
}

/// <summary>The arrays of one edge in one microbatch, as far as they have come.</summary>
internal sealed class GatherBuffer(LayerLink edge)
{
    private ReusableBuffer bundle;
    private int missingHere = edge.SendersHere.Length;

    public LayerLink Edge => edge;

    public InputBuffer Slots { get; } = new(edge.Units);

    /// <summary>Whether all arrays that are made on this silo are in.</summary>
    public bool IsGathered => missingHere == 0;

    /// <summary>Whether nobody waits for another array of this board: receivers have been served, other silos
    /// too.</summary>
    public bool IsDone => IsGathered && (Slots.IsFull || edge.ReceiversHere == 0);

    /// <summary>Takes an array of one sender of this silo, or the bundle of another silo's.</summary>
    public InputOutcome Put(ActorId from, Payload payload)
    {
        if (from.Kind == ActorRole.Exchange)
            return Slots.PutMany(edge.SendersOn(from.Index), payload);
        var outcome = Slots.Put(from.Kind == ActorRole.Shard ? from.Index : 0, payload);
        if (outcome == InputOutcome.Accepted)
            missingHere--;
        return outcome;
    }

    /// <summary>The arrays of this silo's senders, laid end to end.</summary>
    public Payload Bundle()
    {
        var values = bundle.OfLength(edge.UnitsHere * Slots.Rows);
        Slots.CopyTo(edge.SendersHere, values);
        return new Payload(edge.UnitsHere, Slots.Rows, values);
    }

    /// <summary>Empties it for the next step; arrays are filled anew.</summary>
    public void Clear()
    {
        missingHere = edge.SendersHere.Length;
        Slots.Clear();
    }

    /// <summary>Empties it and leaves its arrays to whoever still reads them.</summary>
    public void Renew()
    {
        Clear();
        Slots.Renew();
        bundle = default;
    }
}
