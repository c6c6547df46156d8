using System.Collections.Immutable;

namespace BackpropCluster.Core.Protocol;

/// <summary>One silo's end of its links to the others. An array crosses to a silo once, with those of all senders of
/// its layer that stand together, and each receiver gets the whole layer's as one message when the last array is
/// in.</summary>
/// <remarks>To its parts it is the neighbouring layer, to the coordinator it is all its parts: it restores them and
/// counts their answers. It shares the life of its silo, so it is never lost without the parts it speaks for.</remarks>
/// <param name="silo">Where it stands, as placements name it.</param>
public class Exchange(string silo) : Actor(ActorId.Exchange(-1))
{
    private Placement placement = new([], [], "");
    private ImmutableArray<ActorId> parts = [];
    private AckTracker? restored;
    private AckTracker? ready;
    private AckTracker? saved;
    private readonly List<SavedShard> savedParts = [];
    private GatherBuffer[][] forward = [];
    private GatherBuffer[][] backward = [];
    private GatherBuffer[][] evaluation = [];
    private int chunk;
    private bool isAdvanced;
    private bool isFirstSource; // the others are the same Source again, and say nothing new

    /// <summary>What its parts have said and heard so far.</summary>
    public Traffic Traffic => OfActivations + OfDeltas + OfControlMessages;

    /// <summary>Rows and activations, in evaluations too.</summary>
    public Traffic OfActivations { get; private set; }

    public Traffic OfDeltas { get; private set; }

    /// <summary>Between the coordinator and parts.</summary>
    public Traffic OfControlMessages { get; private set; }

    /// <summary>The parts that stand on its silo.</summary>
    public ImmutableArray<ActorId> Actors => parts;

    /// <summary>Takes one message: of its parts, of another exchange, or of the coordinator.</summary>
    public override void Receive(Message message, IOutbox outbox)
    {
        // Said by its parts, or their store, to the coordinator, whatever this exchange knows: a part without a state
        // may be ahead of it or behind.
        if (message is NeedRestore or Failure or Report or StoreFailed)
            Pass(message, outbox);
        else if (message is Restore restore && NeedsLoading(restore))
            outbox.Load(restore, NeedsRows(restore));
        else if (message is Restore { Loaded: CheckpointUnreadable })
            outbox.Send(Recipients.Coordinator, new NeedRestore(message.Key with { From = Id }));
        else if (message is Restore { Loaded: RowsUnreadable unreadable })
            outbox.Send(
                Recipients.Coordinator,
                new Failure(message.Key with { From = Id }, FailureKind.Data, unreadable.Reason) { Silo = silo }
            );
        else
            base.Receive(message, outbox);
    }

    /// <summary>Whether a Restore takes effect: it is not of an earlier term, and what its parts need is
    /// there.</summary>
    public bool Adopts(Restore restore) =>
        restore.Key.Term >= Term && (restore.Loaded is null or LoadedState) && !NeedsLoading(restore);

    private bool NeedsLoading(Restore restore) =>
        restore.Loaded is null && restore.Key.Term >= Term && (restore.From is not null || NeedsRows(restore));

    private bool NeedsRows(Restore restore) =>
        restore.Placement.NeedsRows(restore.Plan, restore.Placement.Silos.IndexOf(silo));

    protected override void Load(Restore restore)
    {
        var plan = restore.Plan;
        placement = restore.Placement;
        var here = placement.Silos.IndexOf(silo);
        Id = ActorId.Exchange(here);
        parts = [.. placement.ActorsOn(plan, here)];
        isFirstSource = placement.SiloOfPart[plan.OrdinalOf(ActorId.Source)] == here;
        int[] shards = [.. parts.Where(p => p.Kind == ActorRole.Shard).Select(plan.OrdinalOf)];
        (restored, ready, saved) = (new(parts.Select(plan.OrdinalOf)), new(shards), new(shards));

        // By the senders' layer: up from the Source (0) to the last layer, down from the Loss (depth + 1) to the
        // second.
        GatherBuffer[] Boards(int from, int to)
        {
            var edge = new LayerLink(plan, placement, from, to, here);
            return [.. Enumerable.Range(0, plan.Spec.Data.Microbatches).Select(_ => new GatherBuffer(edge))];
        }

        forward = [.. Enumerable.Range(0, plan.Depth + 1).Select(layer => Boards(layer, layer + 1))];
        backward =
        [
            [],
            [],
            .. Enumerable.Range(2, plan.Depth).Select(layer => Boards(layer, layer - 1)),
        ];
        evaluation = [.. forward.Select(boards => new[] { new GatherBuffer(boards[0].Edge) })];
        (chunk, isAdvanced) = (0, false);
    }

    protected override void AnswerRestore(Restore restore, IOutbox outbox)
    {
        if (restored!.IsComplete)
            outbox.Send(Recipients.Coordinator, new Restored(restore.Key with { From = Id }));
        else
            outbox.Send(Recipients.Everyone, restore);
    }

    protected override bool TryCommit(IOutbox outbox)
    {
        foreach (var board in forward.Concat(backward).SelectMany(boards => boards))
            board.Clear();
        ready!.Reset();
        BeginChunk(0);
        CountAdvance();
        isAdvanced = false;
        return true;
    }

    protected override void Handle(Message message, IOutbox outbox)
    {
        switch (message)
        {
            case Restored when restored!.Acknowledge(Plan.OrdinalOf(message.Key.From)):
                CountUnlessAgain(message.Key.From);
                if (restored.IsComplete)
                    outbox.Send(Recipients.Coordinator, new Restored(message.Key with { From = Id }));
                break;
            case Advance:
                CountAdvance();
                outbox.Send(Recipients.Everyone, message);
                break;
            case Evaluate:
                CountUnlessAgain(ActorId.Source);
                outbox.Send(Recipients.Source, message);
                break;
            case Activations { Key.Phase: Phase.Forward } y:
                Gather(BufferOf(forward, y.Key), y, y.Values, outbox);
                break;
            case Activations { Key.Phase: Phase.Evaluate } y when IsCurrentChunk(y.Key):
                Gather(BufferOf(evaluation, y.Key with { Microbatch = 0 }), y, y.Values, outbox);
                break;
            case Deltas delta:
                Gather(BufferOf(backward, delta.Key), delta, delta.Values, outbox);
                break;
            case Ready when ready!.Acknowledge(Plan.OrdinalOf(message.Key.From)):
                Count(1);
                if (ready.IsComplete)
                    outbox.Send(Recipients.Coordinator, new Ready(message.Key with { From = Id }));
                break;
            case Save:
                saved!.Reset();
                savedParts.Clear();
                outbox.Send(Recipients.Everyone, message);
                break;
            case Saved part when saved!.Acknowledge(Plan.OrdinalOf(part.Parts[0].Shard)):
                savedParts.Add(part.Parts[0]);
                if (saved.IsComplete)
                    outbox.Send(Recipients.Coordinator, new Saved(part.Key with { From = Id }, [.. savedParts]));
                break;
        }
    }

    private void Pass(Message message, IOutbox outbox)
    {
        if (message is Report)
            Count(1);
        outbox.Send(Recipients.Coordinator, message);
    }

    private void Gather(GatherBuffer? board, Message message, Payload payload, IOutbox outbox)
    {
        // A repeat, and not to be compared: all that wait for this board have been served, so the step may be committed
        // and the sender may be filling its array anew already.
        if (board is null || board.IsDone)
            return;
        Invariants.OneStepPerSum(message.Key, Term, Version);
        var isFirst = board.Slots.IsEmpty;
        if (!IsNews(board.Put(message.Key.From, payload), message.Key, payload, outbox))
            return;
        if (isFirst && message.Key.Trace.IsSampled)
            outbox.Observe(
                new GatherStarted(message.Key with { From = ActorId.Exchange(board.Edge.Here, board.Edge.From) })
            );
        if (message.Key.From.Kind != ActorRole.Exchange && board.IsGathered)
            SendRemote(board, message, payload, outbox);
        if (board.Slots.IsFull)
            DeliverLocal(board, message, outbox);
    }

    // Across the link goes what this silo's senders of the layer made, once to each silo that holds a receiver.
    private void SendRemote(GatherBuffer board, Message message, Payload last, IOutbox outbox)
    {
        var edge = board.Edge;
        if (edge.SilosAcross.Length == 0)
            return;
        var payload = edge.SendersHere.Length == 1 ? last : board.Bundle();
        foreach (var across in edge.SilosAcross)
            outbox.Send(Recipients.Exchange(across), WithPayload(message, edge, payload));
        Count(
            message,
            new Traffic(
                0,
                0,
                payload.Bytes * edge.SilosAcross.Length,
                (long)edge.SendersHere.Length * edge.SilosAcross.Length
            )
        );
    }

    private void DeliverLocal(GatherBuffer board, Message message, IOutbox outbox)
    {
        var edge = board.Edge;
        if (edge.ReceiversHere == 0)
            return;
        var local = (long)edge.SendersHere.Length * edge.ReceiversHere;
        if (message.Key.Trace.IsSampled)
            outbox.Observe(
                new GatherCompleted(
                    message.Key with
                    {
                        From = ActorId.Exchange(edge.Here, edge.From),
                    },
                    message.Key.From
                )
            );
        Count(message, new Traffic(local, (long)edge.Units.Length * edge.ReceiversHere - local, 0, 0));
        outbox.Send(
            edge.Receivers,
            WithPayload(message, edge, new Payload(board.Slots.TotalUnits, board.Slots.Rows, board.Slots.Values))
        );
    }

    private static Message WithPayload(Message message, LayerLink edge, Payload payload)
    {
        var key = message.Key with { From = ActorId.Exchange(edge.Here, edge.From) };
        return message is Deltas ? new Deltas(key, payload) : new Activations(key, payload);
    }

    // Sent before the sender was cut off from its run, or made up: no layer of this plan.
    private GatherBuffer? BufferOf(GatherBuffer[][] boards, MessageKey key)
    {
        var layer = key.From.Kind == ActorRole.Loss ? Plan.Depth + 1 : key.From.Layer;
        return layer < boards.Length && key.Microbatch < boards[layer].Length ? boards[layer][key.Microbatch] : null;
    }

    // As in a shard: chunks come one after the other, so a later one replaces what is there. The array is left to its
    // readers: a repeat of the earlier chunk may be under way still.
    private bool IsCurrentChunk(MessageKey key)
    {
        if (key.Microbatch > chunk)
            BeginChunk(key.Microbatch);
        return key.Microbatch == chunk;
    }

    private void BeginChunk(int next)
    {
        chunk = next;
        foreach (var boards in evaluation)
            boards[0].Renew();
    }

    private void Count(Message message, Traffic traffic)
    {
        if (message is Deltas)
            OfDeltas += traffic;
        else
            OfActivations += traffic;
    }

    // Once a step, also where its arrays overtook it and the step was over when it came.
    private void CountAdvance()
    {
        if (!isAdvanced)
            Count(parts.Length - (parts.Contains(ActorId.Source) && !isFirstSource ? 1 : 0));
        isAdvanced = true;
    }

    private void CountUnlessAgain(ActorId part) => Count(part.Kind == ActorRole.Source && !isFirstSource ? 0 : 1);

    /// <summary>Counts messages between the coordinator and parts of this silo.</summary>
    private void Count(int messages) =>
        OfControlMessages +=
            placement.CoordinatorSilo == silo ? new Traffic(messages, 0, 0, 0) : new Traffic(0, messages, 0, 0);
}
