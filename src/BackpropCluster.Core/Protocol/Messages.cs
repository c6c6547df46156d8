using System.Collections.Immutable;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Protocol;

/// <summary>The whole wire on one page. All messages are one-way, immutable, and may be lost, repeated or
/// reordered.</summary>
/// <remarks><code>
/// coordinator → all        Restore       adopt the term, load this version, answer Restored
/// coordinator → all        Advance       the step before is committed, this one begins
/// coordinator → Source     Evaluate      send a chunk of rows through the committed version
/// Source, shard → above    Activations   y of one sender for every receiver of the layer above, or the Loss
/// Loss, shard → below      Deltas        δ of one sender (∂E/∂y from the Loss) for every receiver of the layer below
/// exchange → exchange            either        the arrays of all senders of one layer on one silo, end to end
/// exchange → receivers        either        the array of the whole layer
/// all → coordinator        Restored      the version is loaded; from an exchange: by every part of its silo
/// shard → coordinator      Ready         all gradients of the step are in; from an exchange: of every shard of its
/// silo Loss → coordinator       Report        the loss of the step, or of the evaluated rows so far
/// any → coordinator        NeedRestore   a message came that my state cannot follow
/// any → coordinator        Failure       the run cannot go on
///
/// coordinator → shards     Save          put the committed version into the store
/// shard → store            SavePart      rows of W, biases and their optimizer state
/// store → coordinator      Saved         the part is written; from an exchange: those of every shard of its silo
/// coordinator → store      Lead          raise the term above every other; which checkpoint is the newest whole one?
/// store → coordinator      Led           the term, the checkpoint, the scores until then
/// coordinator → store      MoveHead      all parts are written: this checkpoint counts from now on
/// store → coordinator      HeadMoved     it does
/// store → coordinator      StoreFailed   it could not be done
/// </code></remarks>
[GenerateSerializer, Immutable, Alias("message")]
public abstract record Message([property: Id(0)] MessageKey Key);

/// <param name="Key">The first step to compute.</param>
/// <param name="Plan">The run.</param>
/// <param name="Placement">Who stands where.</param>
/// <param name="From">The checkpoint to load; <see langword="null"/> begins with the initial weights.</param>
[GenerateSerializer, Immutable, Alias("restore")]
public sealed record Restore(
    MessageKey Key,
    [property: Id(0)] RunPlan Plan,
    [property: Id(1)] Placement Placement,
    [property: Id(2)] CheckpointId? From
) : Message(Key)
{
    /// <summary>What the silo's exchange had loaded for it, for the parts of that silo: it never crosses a
    /// link.</summary>
    [field: NonSerialized]
    public Loaded? Loaded { get; init; }
}

[GenerateSerializer, Immutable, Alias("restored")]
public sealed record Restored(MessageKey Key) : Message(Key);

[GenerateSerializer, Immutable, Alias("advance")]
public sealed record Advance(MessageKey Key) : Message(Key);

[GenerateSerializer, Immutable, Alias("evaluate")]
public sealed record Evaluate(MessageKey Key) : Message(Key);

/// <param name="Key">Forward or Evaluate.</param>
/// <param name="Values">y: the sender's units × rows; from the Source the features × rows.</param>
[GenerateSerializer, Immutable, Alias("activations")]
public sealed record Activations(MessageKey Key, [property: Id(0)] Payload Values) : Message(Key);

/// <param name="Key">Backward.</param>
/// <param name="Values">δ: the sender's units × rows; from the Loss ∂E/∂y of all outputs × rows, already divided by the
/// batch's rows.</param>
[GenerateSerializer, Immutable, Alias("deltas")]
public sealed record Deltas(MessageKey Key, [property: Id(0)] Payload Values) : Message(Key);

[GenerateSerializer, Immutable, Alias("ready")]
public sealed record Ready(MessageKey Key) : Message(Key);

[GenerateSerializer, Immutable, Alias("report")]
public sealed record Report(MessageKey Key, [property: Id(0)] BatchMetrics Score) : Message(Key);

[GenerateSerializer, Immutable, Alias("need-restore")]
public sealed record NeedRestore(MessageKey Key) : Message(Key);

/// <param name="Key">What the sender was working on.</param>
/// <param name="Kind">Whose fault it is.</param>
/// <param name="Reason">One sentence for the user.</param>
[GenerateSerializer, Immutable, Alias("failure")]
public sealed record Failure(MessageKey Key, [property: Id(0)] FailureKind Kind, [property: Id(1)] string Reason)
    : Message(Key)
{
    /// <summary>The one silo that cannot go on, as placements name it; <see langword="null"/> where the run itself
    /// cannot.</summary>
    [Id(2)]
    public string? Silo { get; init; }
}

[GenerateSerializer, Immutable, Alias("save")]
public sealed record Save(MessageKey Key) : Message(Key);

/// <param name="Key">Save, from the shard.</param>
/// <param name="Shard">Its units.</param>
/// <param name="Part">What it holds.</param>
[GenerateSerializer, Immutable, Alias("save-part")]
public sealed record SaveShard(MessageKey Key, [property: Id(0)] ShardRange Shard, [property: Id(1)] ShardSnapshot Part)
    : Message(Key);

/// <param name="Key">Save; from the shard whose part it is, or from the exchange of those whose parts they are.</param>
/// <param name="Parts">What was written.</param>
[GenerateSerializer, Immutable, Alias("saved")]
public sealed record Saved(MessageKey Key, [property: Id(0)] ImmutableArray<SavedShard> Parts) : Message(Key);

/// <param name="Key">The highest term known; its step names the attempt, so that a late answer to an earlier one, or to
/// another coordinator's, is told apart.</param>
/// <param name="Plan">The run.</param>
[GenerateSerializer, Immutable, Alias("lead")]
public sealed record AcquireLeadership(MessageKey Key, [property: Id(0)] RunPlan Plan) : Message(Key);

/// <param name="Key">The new term; its step is that of the <see cref="AcquireLeadership"/>.</param>
/// <param name="Id">The newest whole checkpoint, if there is one.</param>
/// <param name="Checkpoint">What stands in it.</param>
/// <param name="Warnings">Newer ones that are broken, one sentence each.</param>
[GenerateSerializer, Immutable, Alias("led")]
public sealed record LeadershipGranted(
    MessageKey Key,
    [property: Id(0)] CheckpointId? Id,
    [property: Id(1)] Checkpoint? Checkpoint,
    [property: Id(2)] ImmutableArray<string> Warnings
) : Message(Key);

[GenerateSerializer, Immutable, Alias("move-head")]
public sealed record CommitCheckpoint(MessageKey Key, [property: Id(0)] Checkpoint Checkpoint) : Message(Key);

[GenerateSerializer, Immutable, Alias("head-moved")]
public sealed record CheckpointCommitted(MessageKey Key) : Message(Key);

/// <param name="Key">Of the request; from the store.</param>
/// <param name="Fault">Whose fault it is.</param>
/// <param name="Reason">One sentence.</param>
[GenerateSerializer, Immutable, Alias("store-failed")]
public sealed record StoreFailed(MessageKey Key, [property: Id(0)] StoreFault Fault, [property: Id(1)] string Reason)
    : Message(Key);

/// <summary>Why the store did not do what it was asked for.</summary>
public enum StoreFault : byte
{
    /// <summary>Another coordinator leads the run in a higher term: this one must stop.</summary>
    Fenced,

    /// <summary>It answered, and will not: a full disk, a folder that cannot be written, a broken record.</summary>
    Refused,

    /// <summary>It did not answer. It may later.</summary>
    Unavailable,
}

/// <summary>Why a run cannot go on.</summary>
public enum FailureKind : byte
{
    /// <summary>NaN or infinity turned up: the training diverged.</summary>
    NotFinite,

    /// <summary>Something that must be equal was not: two messages of one key, two ends of a weight, a replayed
    /// loss.</summary>
    Divergence,

    /// <summary>A bug of ours.</summary>
    Defect,

    /// <summary>Too many recoveries without a new committed step.</summary>
    Lost,

    /// <summary>Another coordinator leads the run.</summary>
    Fenced,

    /// <summary>Checkpoints cannot be written or read.</summary>
    Store,

    /// <summary>A silo cannot read the rows.</summary>
    Data,
}
