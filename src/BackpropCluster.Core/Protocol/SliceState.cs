using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Protocol;

/// <summary>Some consecutive units of one layer. It never waits inside a call: it stores, computes when complete, sends, returns.</summary>
/// <remarks>Parts are not sealed: tests plant bugs in classes derived from them, which the fault explorer must catch.</remarks>
/// <param name="id">Which slice.</param>
/// <param name="open">Brings the model of a checkpoint.</param>
/// <param name="workers">Who computes large products; <see langword="null"/> for the caller alone.</param>
public class SliceState(PartId id, Func<RunPlan, CheckpointId, SavedModel> open, IWorkers? workers = null) : PartState(id)
{
    private DenseSlice? slice;
    private SliceRange range;
    private Pass[] passes = [];
    private Pass? evaluation; // made with the first evaluation: for a neuron its slots are as large as the neuron
    private int[] below = [];
    private int[] above = [];
    private int chunk;
    private TraceContext trace;

    /// <summary>The parameters of some units at a committed version.</summary>
    /// <param name="key">The version.</param>
    /// <param name="first">The first unit, counted within the slice from 0.</param>
    /// <param name="units">How many units.</param>
    /// <param name="outbox">Where to ask for what is missing.</param>
    /// <returns><see langword="null"/> if this slice cannot have that version; NeedRestore is in the outbox then.</returns>
    public SliceParameters? Read(MessageKey key, int first, int units, IOutbox outbox) =>
        IsCurrent(key, outbox) ? Parameters(first, units) : null;

    protected override void Load(Restore restore)
    {
        var (newPlan, from) = (restore.Plan, restore.From);
        range = newPlan.SlicesOf(Id.Layer)[Id.Index];
        slice = new DenseSlice(newPlan.Spec, newPlan.Features, range.Layer, range.First, range.Units, from is null ? null : open(newPlan, from), workers);
        below = range.Layer == 1 ? [newPlan.Features] : newPlan.SliceUnits(range.Layer - 1);
        above = range.Layer == newPlan.Depth ? [newPlan.Spec.Model.Layers[^1].Units] : newPlan.SliceUnits(range.Layer + 1);
        passes = [.. Enumerable.Range(0, newPlan.Spec.Data.Microbatches).Select(_ => new Pass(below, above))];
        evaluation = null;
        IsReady = false;
        chunk = 0;
    }

    protected override bool TryCommit(IOutbox outbox)
    {
        if (!IsReady) return false;
        Invariants.CompleteBeforeUpdate(slice!.IsPrepared, Version + 1);
        Commit(slice);
        var key = new MessageKey(Plan.Fingerprint, Term, Version + 1, Phase.Backward, 0, Id, trace);
        if (trace.IsSampled) outbox.Observe(new SliceUpdated(key, range, Told(key, slice!.Weights.Values), Told(key, slice.Biases.Values)));
        foreach (var pass in passes) pass.Clear();
        IsReady = false;
        evaluation?.Clear();
        chunk = 0;
        return true;
    }

    protected override void Handle(Message message, IOutbox outbox)
    {
        // A repeat, and not to be compared: with this slice's Ready the step may be committed, and its sender may be filling the
        // array anew already.
        if (IsReady && message is Activations { Key.Phase: Phase.Forward } or Deltas) return;
        switch (message)
        {
            case Activations { Key.Phase: Phase.Forward } y when Put(Inputs(y.Key), y.Key, y.Values, outbox):
                Forward(y.Key, outbox);
                break;
            case Activations { Key.Phase: Phase.Evaluate } y when IsCurrentChunk(y.Key) && Put((evaluation ??= new Pass(below, above)).Inputs, y.Key, y.Values, outbox):
                Evaluate(y.Key, outbox);
                break;
            case Deltas delta when Put(passes[delta.Key.Microbatch].Deltas, delta.Key, delta.Values, outbox):
                Backward(delta.Key, outbox);
                break;
            case Core.Protocol.Save save when !slice!.IsPrepared:
                Save(save.Key, outbox);
                break;
        }
    }

    /// <summary>z of all rows. Apart for the bug "sum by arrival" to be planted.</summary>
    protected virtual void Nets(DenseSlice own, Slots inputs, MessageKey key, double[] z) => own.Nets(inputs.Values, inputs.Rows, z);

    /// <summary>The prepared update takes effect. Apart for the bug "applied twice" to be planted.</summary>
    protected virtual void Commit(DenseSlice own) => own.Commit();

    /// <summary>All gradients of the step are in, and the update is prepared for the commit.</summary>
    private bool IsReady { get; set; }

    private Recipients Above => range.Layer == Plan.Depth ? Recipients.Loss : Recipients.SlicesOf(range.Layer + 1);

    private Slots Inputs(MessageKey key) => passes[key.Microbatch].Inputs;

    // forward: y = φ(W·x + b), once the slots of all senders are full.
    private void Forward(MessageKey key, IOutbox outbox)
    {
        var pass = passes[key.Microbatch];
        if (!pass.Inputs.IsFull) return;
        trace = key.Trace;
        pass.Y = Compute(pass.Inputs, pass.Outputs.OfLength(range.Units * pass.Inputs.Rows), key, outbox);
        if (pass.Y is not null) SendActivations(key, pass.Inputs.Rows, pass.Y, outbox);
    }

    // evaluate: the same, and nothing is kept.
    private void Evaluate(MessageKey key, IOutbox outbox)
    {
        if (!evaluation!.Inputs.IsFull) return;
        if (Compute(evaluation.Inputs, new double[range.Units * evaluation.Inputs.Rows], key, outbox) is { } y) SendActivations(key, evaluation.Inputs.Rows, y, outbox);
    }

    private double[]? Compute(Slots inputs, double[] nets, MessageKey key, IOutbox outbox)
    {
        Nets(slice!, inputs, key, nets);
        // Looked at here, not only in the loss: logistic units turn an infinite net into a healthy-looking 0 or 1.
        if (!Kernels.Current.AreFinite(nets))
        {
            Fail(key, FailureKind.NotFinite, $"a net of layer {range.Layer} is not a finite number at step {key.Step}", outbox);
            return null;
        }

        var z = Told(key, nets);
        slice!.Activate(nets);
        if (key.Trace.IsSampled)
            outbox.Observe(new SliceForward(key with { From = Id }, range, inputs.Rows, Told(key, inputs.Values), Told(key, slice.Weights.Values), Told(key, slice.Biases.Values), z, Told(key, nets)));
        return nets;
    }

    private void SendActivations(MessageKey key, int rows, double[] y, IOutbox outbox) =>
        outbox.Send(Above, new Activations(key with { From = Id }, new Payload(range.Units, rows, y)));

    // backward: S = Σ δ·v, δ = S ⊙ φ′(z); the gradients stay here until the step is committed.
    private void Backward(MessageKey key, IOutbox outbox)
    {
        var pass = passes[key.Microbatch];
        if (!pass.Deltas.IsFull || pass.Y is null) return;
        var (rows, above) = (pass.Deltas.Rows, pass.Deltas.Values);

        // The whole difference between the two update orders: whether the outgoing weights change before S is made of them.
        var during = Plan.Spec.Training.Update == UpdateOrder.DuringBackward;
        var outgoing = during ? slice!.OutgoingGradients(pass.Y, above, rows) : [];
        var finite = !during || slice!.Outgoing.Prepare(outgoing, key.Step);
        var delta = pass.OwnDeltas.OfLength(range.Units * rows);
        slice!.OutputSlopes(above, rows, delta);
        var slopes = Told(key, delta);
        slice.Activation.MultiplyByDerivative(pass.Y, delta);
        if (range.Layer > 1)
            outbox.Send(Recipients.SlicesOf(range.Layer - 1), new Deltas(key with { From = Id }, new Payload(range.Units, rows, delta)));

        // The rows of one microbatch are the step's, so their gradients can be applied as they come; nobody sees them then, unless a trace does.
        var weights = passes.Length == 1 && !key.Trace.IsSampled ? slice.PrepareWeights(pass.Inputs.Values, delta, rows, key.Step) : null;
        finite &= weights ?? true;
        pass.Gradients = new Gradients(
            weights is null ? slice.WeightGradients(pass.Inputs.Values, delta, rows) : [],
            slice.BiasGradients(delta, rows),
            during ? outgoing : slice.OutgoingGradients(pass.Y, above, rows));
        if (key.Trace.IsSampled)
            outbox.Observe(new SliceBackward(
                key with { From = Id }, range, rows, Told(key, above), Told(key, slice.Outgoing.Pending), slopes, Told(key, delta), Told(key, pass.Gradients.Weights)));
        if (Array.TrueForAll(passes, p => p.Gradients is not null)) BecomeReady(key, finite, outbox);
    }

    // Ready promises that the update can be applied; a weight that would overflow must be said now, since after the last step no net shows it.
    private void BecomeReady(MessageKey key, bool finite, IOutbox outbox)
    {
        finite &= slice!.Prepare(Gradients.Sum([.. passes.Select(p => p.Gradients!)]), key.Step);
        IsReady = finite;
        if (finite) outbox.Send(Recipients.Coordinator, new Ready(key with { From = Id, Microbatch = 0 }));
        else Fail(key, FailureKind.NotFinite, $"a weight of layer {range.Layer} would not be a finite number after the update at step {key.Step}", outbox);
    }

    // Not while an update is prepared: the optimizer's state is the next version's then. Only a late repeat comes at such a time.
    private void Save(MessageKey key, IOutbox outbox)
    {
        var (own, size) = (slice!, Plan.Spec.Optimizer.StateSize);
        var part = new SlicePart(
            Parameters(0, own.Units), new Payload(own.Units, own.Inputs * size, [.. own.Weights.State]), new Payload(own.Units, size, [.. own.Biases.State]));
        outbox.Send(Recipients.Store, new SavePart(key with { From = Id }, range, part));
    }

    // The sums are over the whole slice, and go with its first units.
    private SliceParameters Parameters(int first, int units)
    {
        var (own, inputs) = (slice!, slice!.Inputs);
        return new SliceParameters(
            new Payload(units, inputs, [.. own.Weights.Values.AsSpan(first * inputs, units * inputs)]),
            new Payload(units, 1, [.. own.Biases.Values.AsSpan(first, units)]),
            first > 0 ? 0 : own.Weights.OrderFreeSum(inputs, inputs, range.First, 0),
            first > 0 ? 0 : own.Outgoing.OrderFreeSum(own.Units, Plan.Spec.Model.Layers[range.Layer - 1].Units, 0, range.First));
    }

    // The coordinator asks for a chunk when the one before is reported, so an earlier one is a repeat and a later one replaces it.
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
    private sealed class Pass(int[] below, int[] above)
    {
        public StepArray Outputs;
        public StepArray OwnDeltas;

        public Slots Inputs { get; } = new(below);
        public Slots Deltas { get; } = new(above);
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
