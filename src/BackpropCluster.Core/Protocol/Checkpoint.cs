using System.Collections.Immutable;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Protocol;

/// <summary>When a run is saved besides its end and an interruption: at every multiple of some steps, or at the first
/// commit after some time.</summary>
/// <remarks>Cannot change a result: a saved step is computed again to the same bits or not at all.</remarks>
/// <param name="Steps">Saved at every multiple of so many; 0 does not count steps.</param>
/// <param name="Interval">Saved at the first commit after so much time; zero does not look at the time.</param>
/// <param name="Keep">How many of the newest checkpoints are kept, and the best one besides; 0 keeps all.</param>
[GenerateSerializer, Immutable, Alias("checkpoint-rule")]
public sealed record CheckpointRule(
    [property: Id(0)] int Steps,
    [property: Id(1)] TimeSpan Interval,
    [property: Id(2)] int Keep = 0
)
{
    /// <summary>Nothing is ever saved: for runs whose result is all that matters.</summary>
    public static CheckpointRule None { get; } = new(0, TimeSpan.Zero);

    public bool IsDue(int version, TimeSpan sinceLast) =>
        (Steps > 0 && version % Steps == 0) || (Interval > TimeSpan.Zero && sinceLast >= Interval);
}

/// <summary>Names one checkpoint: a version, and the term that saved it, since two terms may save the same version in
/// different cuts.</summary>
/// <param name="Version">Updates applied.</param>
/// <param name="Term">The term that saved it.</param>
/// <param name="Sha256">Of the stored <see cref="Checkpoint"/>.</param>
[GenerateSerializer, Immutable, Alias("checkpoint-id")]
public sealed record CheckpointId(
    [property: Id(0)] int Version,
    [property: Id(1)] int Term,
    [property: Id(2)] string Sha256
);

/// <summary>What makes parts a whole: how the model was cut when it was saved, the digest of each part, and the scores
/// so far.</summary>
/// <param name="Version">Updates applied.</param>
/// <param name="Granularity">The cut of the parts; whoever loads may be cut otherwise.</param>
/// <param name="Parts">SHA-256 of each shard's part, by the shard's ordinal among the shards.</param>
/// <param name="Losses">The score of each step's batch; step s stands at s − 1.</param>
/// <param name="Evaluations">Evaluation passes so far.</param>
/// <param name="Leaving">Silos that were on their way out when it was saved. Whoever leads next begins without them: it
/// would be told only after it had given them parts, or count on one that is gone a moment later.</param>
[GenerateSerializer, Immutable, Alias("checkpoint")]
public sealed record Checkpoint(
    [property: Id(0)] int Version,
    [property: Id(1)] Granularity Granularity,
    [property: Id(2)] ImmutableArray<string> Parts,
    [property: Id(3)] ImmutableArray<BatchMetrics> Losses,
    [property: Id(4)] ImmutableArray<EvaluationMetrics> Evaluations,
    [property: Id(5)] ImmutableArray<string> Leaving
);

/// <summary>What one shard puts into a checkpoint. Its outgoing weights are the next layer's and are saved
/// there.</summary>
/// <param name="Parameters">Weights and biases.</param>
/// <param name="WeightsState">The optimizer's numbers for each weight, one weight after the other.</param>
/// <param name="BiasesState">The same for the biases.</param>
[GenerateSerializer, Immutable, Alias("slice-part")]
public sealed record ShardSnapshot(
    [property: Id(0)] ShardParameters Parameters,
    [property: Id(1)] Payload WeightsState,
    [property: Id(2)] Payload BiasesState
);

/// <summary>A part that was written.</summary>
/// <param name="Shard">Whose.</param>
/// <param name="Sha256">Of the stored part.</param>
/// <param name="WeightsSum">As in <see cref="ShardParameters"/>.</param>
/// <param name="OutgoingSum">As in <see cref="ShardParameters"/>.</param>
[GenerateSerializer, Immutable, Alias("saved-part")]
public sealed record SavedShard(
    [property: Id(0)] ActorId Shard,
    [property: Id(1)] string Sha256,
    [property: Id(2)] ulong WeightsSum,
    [property: Id(3)] ulong OutgoingSum
);
