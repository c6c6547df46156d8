using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Protocol;

/// <summary>The whole wire on one page. All messages are one-way, immutable, and may be lost, repeated or reordered.</summary>
/// <remarks><code>
/// coordinator → all        Restore       adopt the term, load this version, answer Restored
/// coordinator → all        Advance       the step before is committed, this one begins
/// coordinator → Source     Evaluate      send a chunk of rows through the committed version
/// Source, slice → above    Activations   y of one sender for every receiver of the layer above, or the Loss
/// Loss, slice → below      Deltas        δ of one sender (∂E/∂y from the Loss) for every receiver of the layer below
/// all → coordinator        Restored      the version is loaded
/// slice → coordinator      Ready         all gradients of the step are in
/// Loss → coordinator       Report        the loss of the step, or of the evaluated rows so far
/// any → coordinator        NeedRestore   a message came that my state cannot follow
/// any → coordinator        Failure       the run cannot go on
/// </code></remarks>
[GenerateSerializer, Immutable, Alias("message")]
public abstract record Message([property: Id(0)] MessageKey Key);

[GenerateSerializer, Immutable, Alias("restore")]
public sealed record Restore(MessageKey Key, [property: Id(0)] RunPlan Plan, [property: Id(1)] Placement Placement) : Message(Key);

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
/// <param name="Values">δ: the sender's units × rows; from the Loss ∂E/∂y of all outputs × rows, already divided by the batch's rows.</param>
[GenerateSerializer, Immutable, Alias("deltas")]
public sealed record Deltas(MessageKey Key, [property: Id(0)] Payload Values) : Message(Key);

[GenerateSerializer, Immutable, Alias("ready")]
public sealed record Ready(MessageKey Key) : Message(Key);

[GenerateSerializer, Immutable, Alias("report")]
public sealed record Report(MessageKey Key, [property: Id(0)] Score Score) : Message(Key);

[GenerateSerializer, Immutable, Alias("need-restore")]
public sealed record NeedRestore(MessageKey Key) : Message(Key);

/// <param name="Key">What the sender was working on.</param>
/// <param name="Kind">Whose fault it is.</param>
/// <param name="Reason">One sentence for the user.</param>
[GenerateSerializer, Immutable, Alias("failure")]
public sealed record Failure(MessageKey Key, [property: Id(0)] FailureKind Kind, [property: Id(1)] string Reason) : Message(Key);

/// <summary>Why a run cannot go on.</summary>
public enum FailureKind : byte
{
    /// <summary>NaN or infinity turned up: the training diverged.</summary>
    NotFinite,

    /// <summary>Something that must be equal was not: two messages of one key, two ends of a weight, a replayed loss.</summary>
    Divergence,

    /// <summary>A bug of ours.</summary>
    Defect,

    /// <summary>Too many recoveries without a new committed step.</summary>
    Lost,
}
