using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Explorer;

/// <summary>No term check: a message of an old attempt is taken for one of this.</summary>
internal static class WithoutTerms
{
    public static Message Raised(Message message, int term) =>
        message is Restore || message.Key.Term >= term
            ? message
            : message with
            {
                Key = message.Key with { Term = term },
            };

    public sealed class Source : SourceActor
    {
        public override void Receive(Message message, IOutbox outbox) => base.Receive(Raised(message, Term), outbox);
    }

    public sealed class Shard(ActorId id) : ShardActor(id)
    {
        public override void Receive(Message message, IOutbox outbox) => base.Receive(Raised(message, Term), outbox);
    }

    public sealed class Loss : LossActor
    {
        public override void Receive(Message message, IOutbox outbox) => base.Receive(Raised(message, Term), outbox);
    }

    public sealed class Exchange(string silo) : Core.Protocol.Exchange(silo)
    {
        public override void Receive(Message message, IOutbox outbox) => base.Receive(Raised(message, Term), outbox);
    }
}

/// <summary>Update before commit: the update takes effect with the shard's own Ready.</summary>
internal sealed class ShardThatUpdatesBeforeTheCommit(ActorId id) : ShardActor(id)
{
    protected override void Handle(Message message, IOutbox outbox)
    {
        var ear = new Ear(outbox);
        base.Handle(message, ear);
        if (ear.Ready is { } ready)
            Receive(
                new Advance(ready.Key with { Step = Version + 2, Phase = Phase.Forward, From = ActorId.Coordinator }),
                outbox
            );
    }

    private sealed class Ear(IOutbox outbox) : IOutbox
    {
        public Ready? Ready { get; private set; }

        public void Send(Recipients to, Message message)
        {
            if (message is Ready ready)
                Ready = ready;
            outbox.Send(to, message);
        }

        public void Observe(Observation observation) => outbox.Observe(observation);
    }
}

/// <summary>Applied twice: a repeat of the last delta counts for another update.</summary>
internal sealed class ShardThatUpdatesTwice(ActorId id) : ShardActor(id)
{
    private MessageKey last;
    private bool again;

    public override void Receive(Message message, IOutbox outbox)
    {
        if (message is Deltas)
        {
            again |= message.Key == last && message.Key.Term == Term && message.Key.Step == Version + 1;
            last = message.Key;
        }

        base.Receive(message, outbox);
    }

    protected override void Load(Restore restore)
    {
        again = false;
        base.Load(restore);
    }

    protected override void Commit(DenseShard own)
    {
        ParameterBlock[] blocks = [own.Weights, own.Biases, own.Outgoing];
        double[][] before = [.. blocks.Select(block => block.Values.ToArray())];
        base.Commit(own);
        if (again)
            foreach (var (b, block) in blocks.Index())
                for (var k = 0; k < block.Values.Length; k++)
                    block.Values[k] += block.Values[k] - before[b][k];
        again = false;
    }
}

/// <summary>Optimizer state kept: after a Restore weights are those of the checkpoint, and the optimizer's moments
/// those of the step that was thrown away.</summary>
internal sealed class ShardThatKeepsItsOptimizerState(ActorId id) : ShardActor(id)
{
    private DenseShard? before;

    protected override void PreActivations(DenseShard own, InputBuffer inputs, MessageKey key, double[] z) =>
        base.PreActivations(before = own, inputs, key, z);

    protected override void Load(Restore restore)
    {
        var range = restore.Plan.ShardsOf(Id.Layer)[Id.Index];
        if (before?.Units == range.Units && restore.Loaded is LoadedState { Model: { } model } loaded)
        {
            var layer = model.Layers[Id.Layer - 1];
            double[] state = [.. layer.WeightsState];
            before.Weights.State.CopyTo(state.AsSpan(range.First * before.Weights.State.Length / range.Units));
            var kept = new SavedModel(model.Layers.SetItem(Id.Layer - 1, layer with { WeightsState = state }));
            restore = restore with { Loaded = loaded with { Model = kept } };
        }

        base.Load(restore);
    }
}

/// <summary>A Source that sends the rows of another step than it is asked for.</summary>
internal abstract class SourceOfOtherRows : SourceActor
{
    private Dataset? data;

    protected BatchOrder? Order { get; private set; }

    protected override void Load(Restore restore)
    {
        base.Load(restore);
        data = Loaded(restore).Rows;
        var spec = restore.Plan.Spec;
        Order = new BatchOrder(spec.Data, spec.Training.Epochs, spec.Seed, data!.Training.Count);
    }

    protected override void Handle(Message message, IOutbox outbox) => base.Handle(message, new Exchange(this, outbox));

    protected abstract int StepInsteadOf(int step);

    private sealed class Exchange(SourceOfOtherRows source, IOutbox outbox) : IOutbox
    {
        public void Send(Recipients to, Message message)
        {
            if (message is Activations { Key.Phase: Phase.Forward } sent)
            {
                var rows = source.Order!.RowsOf(source.StepInsteadOf(sent.Key.Step), sent.Key.Microbatch);
                message = sent with
                {
                    Values = new Payload(sent.Values.Units, rows.Length, source.data!.Training.Inputs(rows)),
                };
            }

            outbox.Send(to, message);
        }

        public void Observe(Observation observation) => outbox.Observe(observation);
    }
}

/// <summary>Position not saved: after a Restore the rows begin at the first again.</summary>
internal sealed class SourceThatForgetsItsPosition : SourceOfOtherRows
{
    private int restored;

    protected override void Load(Restore restore)
    {
        base.Load(restore);
        restored = restore.Key.CommittedVersion;
    }

    protected override int StepInsteadOf(int step) => step - restored;
}

/// <summary>Randomness drawn, not addressed: each epoch takes the next order of a stream, whichever epoch it
/// is.</summary>
internal sealed class SourceThatDrawsItsOrder : SourceOfOtherRows
{
    private int drawn;
    private int epoch;

    protected override void Load(Restore restore)
    {
        base.Load(restore);
        epoch = 0;
    }

    protected override int StepInsteadOf(int step)
    {
        var wanted = Order!.EpochOf(step);
        if (wanted != epoch)
            (epoch, drawn) = (wanted, drawn + 1);
        var stepsPerEpoch = (Order.Rows + Order.Batch - 1) / Order.Batch;
        return step + (drawn - wanted) * stepsPerEpoch;
    }
}
