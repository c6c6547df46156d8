using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Protocol;

/// <summary>Gathers the outputs, compares them with the targets of the same rows, reports the loss and sends ∂E/∂y
/// back.</summary>
public class LossActor() : Actor(ActorId.Loss)
{
    private Dataset? data;
    private BatchOrder? order;
    private InputBuffer[] training = [];
    private ReusableBuffer[] gradients = [];
    private ReusableBuffer targets;
    private InputBuffer? evaluation;
    private BatchMetrics[] microbatches = [];
    private double[] rowLosses = [];
    private int chunk;
    private BatchMetrics evaluated; // Loss is the sum so far, not yet the mean

    protected override void Load(Restore restore)
    {
        var newPlan = restore.Plan;
        data = Loaded(restore).Rows!;
        order = new BatchOrder(newPlan.Spec.Data, newPlan.Spec.Training.Epochs, newPlan.Spec.Seed, data.Training.Count);
        training = [.. Enumerable.Range(0, order.Microbatches).Select(_ => new InputBuffer([data.Outputs]))];
        gradients = new ReusableBuffer[training.Length];
        evaluation = new InputBuffer([data.Outputs]);
        rowLosses = new double[order.Batch];
        Reset();
    }

    protected override bool TryCommit(IOutbox outbox)
    {
        Reset();
        return true;
    }

    protected override void Handle(Message message, IOutbox outbox)
    {
        if (message is not Activations outputs)
            return;
        if (outputs.Key.Phase == Phase.Evaluate)
            Evaluate(outputs, outbox);
        else
            Train(outputs, outbox);
    }

    private void Reset()
    {
        foreach (var slots in training)
            slots.Clear();
        microbatches = new BatchMetrics[training.Length];
        evaluation!.Clear();
        (chunk, evaluated) = (0, default);
    }

    private void Train(Activations outputs, IOutbox outbox)
    {
        // Reported: a repeat, whose array its sender may be filling anew already.
        if (Array.TrueForAll(training, slots => slots.IsFull))
            return;
        var m = outputs.Key.Microbatch;
        if (!Put(training[m], outputs.Key, outputs.Values, outbox))
            return;

        var key = outputs.Key with { From = Id };
        var batch = order!.CountOf(key.Step);
        var rows = order.RowsOf(key.Step, m);
        var losses = rowLosses.AsSpan(order.FirstOf(key.Step, m), rows.Length);
        var gradient = gradients[m].OfLength(training[m].Values.Length);
        microbatches[m] = Compare(training[m], data!.Training, rows, losses, gradient, batch, key, outbox);
        outbox.Send(
            Recipients.ShardsOf(Plan.Depth),
            new Deltas(key with { Phase = Phase.Backward }, new Payload(data.Outputs, rows.Length, gradient))
        );
        if (Array.TrueForAll(training, slots => slots.IsFull))
            ReportStep(key, batch, outbox);
    }

    // Microbatches may finish in any order; the sum runs over the batch's rows in theirs, once all are there.
    private void ReportStep(MessageKey key, int batch, IOutbox outbox)
    {
        var loss = 0.0;
        foreach (var row in rowLosses.AsSpan(0, batch))
            loss += row;
        Report(key with { Microbatch = 0 }, loss / batch, microbatches.Sum(m => m.Correct ?? 0), batch, outbox);
    }

    private void Evaluate(Activations outputs, IOutbox outbox)
    {
        // Chunks come one after the other: the coordinator asks for the next when this one is reported. An earlier one
        // is a repeat.
        if (outputs.Key.Microbatch < chunk)
            return;
        if (outputs.Key.Microbatch > chunk)
        {
            // A Loss that was lost between two chunks cannot know the first one's sum; a mean over the rest would look
            // like a result.
            if (evaluated.Rows != outputs.Key.Microbatch * EvaluationRows.ChunkRows)
            {
                AskForRestore(outputs.Key, outbox);
                return;
            }

            chunk = outputs.Key.Microbatch;
            evaluation!.Clear();
        }

        if (!Put(evaluation!, outputs.Key, outputs.Values, outbox))
            return;
        var key = outputs.Key with { From = Id };
        var rows = EvaluationRows.Chunk(Plan, chunk);
        var (losses, gradient) = (new double[rows.Length], new double[evaluation!.Values.Length]);
        var set = EvaluationRows.Of(Plan, data!);
        var score = Compare(evaluation, set, rows, losses, gradient, rows.Length, key, outbox);

        // A sum over rows until the last chunk: the size of the chunks must not show in the result.
        var loss = evaluated.Loss;
        foreach (var row in losses)
            loss += row;
        evaluated = new BatchMetrics(loss, (evaluated.Correct ?? 0) + score.Correct, evaluated.Rows + rows.Length);
        Report(key, loss / evaluated.Rows, evaluated.Correct ?? 0, evaluated.Rows, outbox);
    }

    /// <summary>Losses of some rows into <paramref name="losses"/> and ∂E/∂y (outputs × rows) into
    /// <paramref name="gradient"/>.</summary>
    private BatchMetrics Compare(
        InputBuffer outputs,
        RowSet set,
        int[] rows,
        Span<double> losses,
        double[] gradient,
        int batch,
        MessageKey key,
        IOutbox outbox
    )
    {
        var wanted = targets.OfLength(gradient.Length);
        set.CopyTargets(rows, wanted);
        var y = outputs.Values;
        var correct = Plan.Spec.Model.Loss.Compare(y, wanted, rows.Length, batch, losses, gradient);
        if (key.Trace.IsSampled)
            outbox.Observe(
                new LossComputed(key, rows.Length, Snapshot(key, y), Snapshot(key, wanted), Snapshot(key, gradient))
            );
        return new BatchMetrics(0, correct, rows.Length);
    }

    private void Report(MessageKey key, double loss, int correct, int rows, IOutbox outbox)
    {
        if (double.IsFinite(loss))
            outbox.Send(
                Recipients.Coordinator,
                new Report(key, new BatchMetrics(loss, data!.HasClasses ? correct : null, rows))
            );
        else
            Fail(key, FailureKind.NotFinite, $"the loss became {loss} at step {key.Step}", outbox);
    }
}
