using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Protocol;

/// <summary>Some consecutive units of one layer. It never waits inside a call: it stores, computes when complete,
/// sends, returns.</summary>
/// <remarks>Actors are not sealed: tests derive mutants from them, which the fault explorer must catch.</remarks>
/// <param name="id">Which shard.</param>
/// <param name="workers">Who computes large products; <see langword="null"/> for the caller alone.</param>
public class ShardActor(ActorId id, IWorkers? workers = null) : Actor(id)
{
    private DenseShard? shard;
    private ShardRange range;
    private Pass[] passes = [];
    private Pass? evaluation; // made with the first evaluation: for a neuron its slots are as large as the neuron
    private int below;
    private int above;
    private int chunk;
    private TraceContext trace;

    /// <summary>The parameters of some units at a committed version.</summary>
    /// <param name="key">The version.</param>
    /// <param name="first">The first unit, counted within the shard from 0.</param>
    /// <param name="units">How many units.</param>
    /// <param name="outbox">Where to ask for what is missing.</param>
    /// <returns><see langword="null"/> if this shard cannot have that version; NeedRestore is in the outbox
    /// then.</returns>
    public ShardParameters? Read(MessageKey key, int first, int units, IOutbox outbox) =>
        IsCurrent(key, outbox) ? Parameters(first, units) : null;

    protected override void Load(Restore restore)
    {
        var newPlan = restore.Plan;
        range = newPlan.ShardsOf(Id.Layer)[Id.Index];
        shard = new DenseShard(
            newPlan.Spec,
            newPlan.Features,
            range.Layer,
            range.First,
            range.Units,
            restore.From is null ? null : Loaded(restore).Model,
            workers
        );
        below = shard.Inputs;
        above = range.Layer == newPlan.Depth ? newPlan.Spec.Model.Layers[^1].Units : shard.UnitsAbove;
        passes = [.. Enumerable.Range(0, newPlan.Spec.Data.Microbatches).Select(_ => new Pass(below, above))];
        evaluation = null;
        IsReady = false;
        chunk = 0;
    }

    protected override bool TryCommit(IOutbox outbox)
    {
        if (!IsReady)
            return false;
        Invariants.CompleteBeforeUpdate(shard!.IsPrepared, Version + 1);
        Commit(shard);
        var key = new MessageKey(Plan.Fingerprint, Term, Version + 1, Phase.Backward, 0, Id, trace);
        if (trace.IsSampled)
            outbox.Observe(
                new ShardUpdated(key, range, Snapshot(key, shard!.Weights.Values), Snapshot(key, shard.Biases.Values))
            );
        foreach (var pass in passes)
            pass.Clear();
        IsReady = false;
        evaluation?.Clear();
        chunk = 0;
        return true;
    }

    protected override void Handle(Message message, IOutbox outbox)
    {
        // A repeat, and not to be compared: with this shard's Ready the step may be committed, and its sender may be
        // filling the array anew already.
        if (IsReady && message is Activations { Key.Phase: Phase.Forward } or Deltas)
            return;
        switch (message)
        {
            case Activations { Key.Phase: Phase.Forward } y when Put(Inputs(y.Key), y.Key, y.Values, outbox):
                Forward(y.Key, outbox);
                break;
            case Activations { Key.Phase: Phase.Evaluate } y
                when IsCurrentChunk(y.Key)
                    && Put((evaluation ??= new Pass(below, above)).Inputs, y.Key, y.Values, outbox):
                Evaluate(y.Key, outbox);
                break;
            case Deltas delta when Put(passes[delta.Key.Microbatch].Deltas, delta.Key, delta.Values, outbox):
                Backward(delta.Key, outbox);
                break;
            case Core.Protocol.Save save when !shard!.IsPrepared:
                Save(save.Key, outbox);
                break;
        }
    }

    /// <summary>z of all rows. Apart for the mutant "sum by arrival".</summary>
    protected virtual void PreActivations(DenseShard own, InputBuffer inputs, MessageKey key, double[] z) =>
        own.PreActivations(inputs.Values, inputs.Rows, z);

    /// <summary>The prepared update takes effect. Apart for the mutant "applied twice".</summary>
    protected virtual void Commit(DenseShard own) => own.Commit();

    /// <summary>All gradients of the step are in, and the update is prepared for the commit.</summary>
    private bool IsReady { get; set; }

    private Recipients Above => range.Layer == Plan.Depth ? Recipients.Loss : Recipients.ShardsOf(range.Layer + 1);

    private InputBuffer Inputs(MessageKey key) => passes[key.Microbatch].Inputs;

    // forward: y = φ(W·x + b).
    private void Forward(MessageKey key, IOutbox outbox)
    {
        var pass = passes[key.Microbatch];
        trace = key.Trace;
        var length = range.Units * pass.Inputs.Rows;
        var y = pass.Outputs.OfLength(length);
        pass.Z = shard!.Activation.NeedsNet() ? pass.Nets.OfLength(length) : y;
        if (!Compute(pass.Inputs, pass.Z, y, key, outbox))
            return;
        pass.Y = y;
        SendActivations(key, pass.Inputs.Rows, y, outbox);
    }

    // evaluate: the same, and nothing is kept.
    private void Evaluate(MessageKey key, IOutbox outbox)
    {
        var y = new double[range.Units * evaluation!.Inputs.Rows];
        if (Compute(evaluation.Inputs, y, y, key, outbox))
            SendActivations(key, evaluation.Inputs.Rows, y, outbox);
    }

    private bool Compute(InputBuffer inputs, double[] nets, double[] y, MessageKey key, IOutbox outbox)
    {
        PreActivations(shard!, inputs, key, nets);
        // Looked at here, not only in the loss: logistic units turn an infinite net into a healthy-looking 0 or 1.
        if (!Kernels.Current.AreFinite(nets))
        {
            Fail(
                key,
                FailureKind.NotFinite,
                $"a net of layer {range.Layer} is not a finite number at step {key.Step}",
                outbox
            );
            return false;
        }

        var z = Snapshot(key, nets);
        shard!.Activate(nets, y);
        if (key.Trace.IsSampled)
            outbox.Observe(
                new ShardForward(
                    key with
                    {
                        From = Id,
                    },
                    range,
                    inputs.Rows,
                    Snapshot(key, inputs.Values),
                    Snapshot(key, shard.Weights.Values),
                    Snapshot(key, shard.Biases.Values),
                    z,
                    Snapshot(key, y)
                )
            );
        return true;
    }

    private void SendActivations(MessageKey key, int rows, double[] y, IOutbox outbox) =>
        outbox.Send(Above, new Activations(key with { From = Id }, new Payload(range.Units, rows, y)));

    // backward: S = Σ δ·v, δ = S ⊙ φ′(z); the gradients stay here until the step is committed.
    private void Backward(MessageKey key, IOutbox outbox)
    {
        var pass = passes[key.Microbatch];
        if (pass.Y is null)
            return;
        var (rows, above) = (pass.Deltas.Rows, pass.Deltas.Values);

        // The whole difference between the two update orders: whether the outgoing weights change before S is made of
        // them.
        var during = Plan.Spec.Training.Update == UpdateOrder.DuringBackward;
        var outgoing = during ? shard!.OutgoingGradients(pass.Y, above, rows) : [];
        var finite = !during || shard!.Outgoing.Prepare(outgoing, key.Step);
        var delta = pass.OwnDeltas.OfLength(range.Units * rows);
        shard!.OutputGradients(above, rows, delta);
        var slopes = Snapshot(key, delta);
        shard.Activation.MultiplyByDerivative(pass.Z, pass.Y, delta);
        if (range.Layer > 1)
            outbox.Send(
                Recipients.ShardsOf(range.Layer - 1),
                new Deltas(key with { From = Id }, new Payload(range.Units, rows, delta))
            );

        // The rows of one microbatch are the step's, so their gradients can be applied as they come; nobody sees them
        // then, unless a trace does.
        var weights =
            passes.Length == 1 && !key.Trace.IsSampled
                ? shard.PrepareWeights(pass.Inputs.Values, delta, rows, key.Step)
                : null;
        finite &= weights ?? true;
        pass.Gradients = new Gradients(
            weights is null ? shard.WeightGradients(pass.Inputs.Values, delta, rows) : [],
            shard.BiasGradients(delta, rows),
            during ? outgoing : shard.OutgoingGradients(pass.Y, above, rows)
        );
        if (key.Trace.IsSampled)
            outbox.Observe(
                new ShardBackward(
                    key with
                    {
                        From = Id,
                    },
                    range,
                    rows,
                    Snapshot(key, above),
                    Snapshot(key, shard.Outgoing.Pending),
                    slopes,
                    Snapshot(key, delta),
                    Snapshot(key, pass.Gradients.Weights)
                )
            );
        if (Array.TrueForAll(passes, p => p.Gradients is not null))
            BecomeReady(key, finite, outbox);
    }

    // Ready promises that the update can be applied; a weight that would overflow must be said now, since after the
    // last step no net shows it.
    private void BecomeReady(MessageKey key, bool finite, IOutbox outbox)
    {
        finite &= shard!.Prepare(Gradients.Sum([.. passes.Select(p => p.Gradients!)]), key.Step);
        IsReady = finite;
        if (finite)
            outbox.Send(Recipients.Coordinator, new Ready(key with { From = Id, Microbatch = 0 }));
        else
            Fail(
                key,
                FailureKind.NotFinite,
                $"a weight of layer {range.Layer} would not be a finite number after the update at step {key.Step}",
                outbox
            );
    }

    // Not while an update is prepared: the optimizer's state is the next version's then. Only a late repeat comes at
    // such a time.
    private void Save(MessageKey key, IOutbox outbox)
    {
        var (own, size) = (shard!, Plan.Spec.Optimizer.StateSize);
        var part = new ShardSnapshot(
            Parameters(0, own.Units),
            new Payload(own.Units, own.Inputs * size, [.. own.Weights.State]),
            new Payload(own.Units, size, [.. own.Biases.State])
        );
        outbox.Send(Recipients.Store, new SaveShard(key with { From = Id }, range, part));
    }

    // The sums are over the whole shard, and go with its first units.
    private ShardParameters Parameters(int first, int units)
    {
        var (own, inputs) = (shard!, shard!.Inputs);
        return new ShardParameters(
            new Payload(units, inputs, [.. own.Weights.Values.AsSpan(first * inputs, units * inputs)]),
            new Payload(units, 1, [.. own.Biases.Values.AsSpan(first, units)]),
            first > 0 ? 0 : own.Weights.CommutativeChecksum(inputs, inputs, range.First, 0),
            first > 0
                ? 0
                : own.Outgoing.CommutativeChecksum(
                    own.Units,
                    Plan.Spec.Model.Layers[range.Layer - 1].Units,
                    0,
                    range.First
                )
        );
    }

    // The coordinator asks for a chunk when the one before is reported, so an earlier one is a repeat and a later one
    // replaces it.
    private bool IsCurrentChunk(MessageKey key)
    {
        if (key.Microbatch > chunk)
        {
            chunk = key.Microbatch;
            evaluation?.Clear();
        }

        return key.Microbatch == chunk;
    }

    /// <summary>One microbatch on its way up and down.</summary>
    private sealed class Pass(int below, int above)
    {
        public ReusableBuffer Nets;
        public ReusableBuffer Outputs;
        public ReusableBuffer OwnDeltas;

        public InputBuffer Inputs { get; } = new([below]);
        public InputBuffer Deltas { get; } = new([above]);

        /// <summary>The nets, where the derivative needs them; else the array of the activations.</summary>
        public double[] Z { get; set; } = [];
        public double[]? Y { get; set; }
        public Gradients? Gradients { get; set; }

        public void Clear()
        {
            Inputs.Clear();
            Deltas.Clear();
            (Y, Gradients) = (null, null);
        }
    }
}
