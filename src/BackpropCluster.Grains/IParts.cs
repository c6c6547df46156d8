using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;

namespace BackpropCluster.Grains;

/// <summary>Sends rows.</summary>
/// <remarks>Key <c>{run}/source</c>. Like every part it stores, enqueues and returns: no part awaits another, so no circle of calls
/// can stall. Messages may be lost, repeated or reordered; equal keys are one message.</remarks>
[Alias("backprop.source")]
public interface ISourceGrain : IGrainWithStringKey
{
    [OneWay, Alias("Restore")] void Restore(Restore message);

    [OneWay, Alias("Advance")] void Advance(Advance message);

    /// <summary>Asks for a chunk of evaluation rows.</summary>
    [OneWay, Alias("Evaluate")] void Evaluate(Evaluate message);
}

/// <summary>Some consecutive units of one dense layer: one (a neuron), some (a shard), all (a layer).</summary>
/// <remarks>Key <c>{run}/layer-{l}/units-{first}-{last}/{index}</c>, index being the slice's position in its layer.</remarks>
[Alias("backprop.slice")]
public interface ISliceGrain : IGrainWithStringKey
{
    [OneWay, Alias("Restore")] void Restore(Restore message);

    [OneWay, Alias("Advance")] void Advance(Advance message);

    /// <summary>Takes y of one sender of the layer below; with the last of them, computes and sends its own.</summary>
    [OneWay, Alias("Forward")] void Forward(Activations message);

    /// <summary>Takes δ of one sender of the layer above; with the last of them, computes and sends its own and its gradients are in.</summary>
    [OneWay, Alias("Backward")] void Backward(Deltas message);

    /// <summary>Puts the committed version into the store.</summary>
    [OneWay, Alias("Save")] void Save(Save message);

    /// <summary>The parameters of a committed version. The only call that is answered; never during a step.</summary>
    /// <returns><see langword="null"/> if the slice does not have that version; it has asked for Restore then.</returns>
    [Alias("Read")] ValueTask<SliceParameters?> Read(MessageKey key);
}

/// <summary>Compares outputs with targets.</summary>
/// <remarks>Key <c>{run}/loss</c>.</remarks>
[Alias("backprop.loss")]
public interface ILossGrain : IGrainWithStringKey
{
    [OneWay, Alias("Restore")] void Restore(Restore message);

    [OneWay, Alias("Advance")] void Advance(Advance message);

    /// <summary>Takes the outputs of one slice of the last layer.</summary>
    [OneWay, Alias("Forward")] void Forward(Activations message);
}

/// <summary>Runs the epochs of one run.</summary>
/// <remarks>Key <c>{run}</c>.</remarks>
[Alias("backprop.coordinator")]
public interface ICoordinatorGrain : IGrainWithStringKey
{
    /// <summary>Takes the lead of a run at the term after <paramref name="term"/>; does nothing if it leads the run in a higher one already.</summary>
    /// <exception cref="RunTakenException">The id belongs to a run of another run file.</exception>
    [Alias("Start")] ValueTask Start(RunPlan plan, int term, TimeSpan deadline);

    /// <summary>What happened since the caller last looked; answers as soon as there is news, and after a second at the latest.</summary>
    /// <returns><see langword="null"/> if this activation leads no run: the one that did is gone.</returns>
    [Alias("Watch")] ValueTask<RunProgress?> Watch(int seenSteps, int seenEvaluations);

    [OneWay, Alias("Restored")] void Restored(Restored message);

    [OneWay, Alias("Ready")] void Ready(Ready message);

    [OneWay, Alias("Report")] void Report(Report message);

    [OneWay, Alias("NeedRestore")] void NeedRestore(NeedRestore message);

    [OneWay, Alias("Failed")] void Failed(Failure message);

    /// <summary>Takes an answer of the store: Led, Saved, HeadMoved or StoreFailed.</summary>
    [OneWay, Alias("Stored")] void Stored(Message message);

    /// <summary>Ends the run at the next step boundary, after a checkpoint; <see cref="Watch"/> tells when that is done.</summary>
    [Alias("Interrupt")] ValueTask Interrupt();
}

/// <summary>A run id is in use by another run file.</summary>
[GenerateSerializer, Alias("run-taken")]
public sealed class RunTakenException(string run)
    : Exception($"run id {run} is in use in this cluster by another run file. Nothing was started. Choose another id.");
