using BackpropCluster.Core.Data;

namespace BackpropCluster.Core.Protocol;

/// <summary>Sends rows: those of a step when it begins, those of an evaluation when asked.</summary>
/// <remarks>Which rows is a pure function of (seed, step), so a repeated or replayed step gets the same ones.</remarks>
public class SourceActor() : Actor(ActorId.Source)
{
    private Dataset? data;
    private BatchOrder? order;
    private int begun;
    private (int Step, Payload[] Microbatches) ready;

    // of odd and even steps: one is read while the other is filled
    private ReusableBuffer[,] arrays = new ReusableBuffer[0, 0];

    protected override void Load(Restore restore)
    {
        var newPlan = restore.Plan;
        data = Loaded(restore).Rows!;
        order = new BatchOrder(newPlan.Spec.Data, newPlan.Spec.Training.Epochs, newPlan.Spec.Seed, data.Training.Count);
        (begun, ready) = (0, (0, []));
        arrays = new ReusableBuffer[2, order.Microbatches];
    }

    protected override bool TryCommit(IOutbox outbox) => true;

    protected override void Handle(Message message, IOutbox outbox)
    {
        if (message is Advance && message.Key.Step != begun)
            Begin(message.Key, outbox);
        else if (message is Evaluate)
            SendChunk(message.Key, outbox);
    }

    private void Begin(MessageKey key, IOutbox outbox)
    {
        begun = key.Step;
        var payloads = ready.Step == key.Step ? ready.Microbatches : Gather(key.Step);
        for (var m = 0; m < payloads.Length; m++)
            Send(key with { Phase = Phase.Forward, Microbatch = m }, payloads[m], outbox);
        // The next step's rows are known already; gathered while the shards compute, they cost no time.
        ready = (key.Step + 1, key.Step < order!.Steps ? Gather(key.Step + 1) : []);
    }

    private Payload[] Gather(int step) =>
        [
            .. Enumerable
                .Range(0, order!.Microbatches)
                .Select(m =>
                {
                    var rows = order.RowsOf(step, m);
                    var values = arrays[step % 2, m].OfLength(Plan.Features * rows.Length);
                    data!.Training.CopyInputs(rows, values);
                    return new Payload(Plan.Features, rows.Length, values);
                }),
        ];

    private void SendChunk(MessageKey key, IOutbox outbox)
    {
        var rows = EvaluationRows.Chunk(Plan, key.Microbatch);
        Send(key, new Payload(Plan.Features, rows.Length, EvaluationRows.Of(Plan, data!).Inputs(rows)), outbox);
    }

    private void Send(MessageKey key, Payload rows, IOutbox outbox) =>
        outbox.Send(Recipients.ShardsOf(1), new Activations(key with { From = Id }, rows));
}
