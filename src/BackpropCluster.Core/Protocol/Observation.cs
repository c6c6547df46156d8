namespace BackpropCluster.Core.Protocol;

/// <summary>What happened, for people who want to see it, never for the computation itself: what a part computed in a
/// traced step, or what became of the run (<see cref="RunObservation"/>).</summary>
/// <remarks>Arrays are empty where the run's <see cref="TraceDetail"/> asks for times only.</remarks>
public abstract record Observation(MessageKey Key);

/// <summary>The first array of a layer came to a silo.</summary>
/// <param name="Key">From the exchange of that silo for the senders' layer.</param>
public sealed record GatherStarted(MessageKey Key) : Observation(Key);

/// <summary>The last array of a layer came to a silo, and its receivers there are served.</summary>
/// <param name="Key">From the exchange of that silo for the senders' layer.</param>
/// <param name="Last">Who was awaited last: a part of that silo, or the exchange of another.</param>
public sealed record GatherCompleted(MessageKey Key, ActorId Last) : Observation(Key);

/// <summary>A shard computed z and y.</summary>
/// <param name="Key">The step.</param>
/// <param name="Shard">Which units.</param>
/// <param name="X">Inputs × rows.</param>
/// <param name="Weights">Units × inputs, as used.</param>
/// <param name="Biases">One per unit.</param>
/// <param name="Z">Units × rows.</param>
/// <param name="Y">Units × rows.</param>
/// <param name="Rows">Of this microbatch.</param>
public sealed record ShardForward(
    MessageKey Key,
    ShardRange Shard,
    int Rows,
    double[] X,
    double[] Weights,
    double[] Biases,
    double[] Z,
    double[] Y
) : Observation(Key);

/// <summary>The Loss compared outputs with targets.</summary>
/// <param name="Key">The step.</param>
/// <param name="Y">Outputs × rows.</param>
/// <param name="Targets">Outputs × rows.</param>
/// <param name="Gradient">∂E/∂y, outputs × rows; empty in an evaluation.</param>
/// <param name="Rows">Of this microbatch.</param>
public sealed record LossComputed(MessageKey Key, int Rows, double[] Y, double[] Targets, double[] Gradient)
    : Observation(Key);

/// <summary>A shard computed δ and its gradients.</summary>
/// <param name="Key">The step.</param>
/// <param name="Shard">Which units.</param>
/// <param name="Above">Deltas of the layer above, units above × rows; for the last layer what the Loss sent.</param>
/// <param name="Outgoing">The outgoing weights as used, units above × units; empty for the last layer.</param>
/// <param name="Slopes">∂E/∂y of its units × rows.</param>
/// <param name="Delta">Units × rows.</param>
/// <param name="WeightGradients">∂W of this microbatch, units × inputs.</param>
/// <param name="Rows">Of this microbatch.</param>
public sealed record ShardBackward(
    MessageKey Key,
    ShardRange Shard,
    int Rows,
    double[] Above,
    double[] Outgoing,
    double[] Slopes,
    double[] Delta,
    double[] WeightGradients
) : Observation(Key);

/// <summary>A shard saw the proof of a commit and applied its update.</summary>
/// <param name="Key">The step that was committed.</param>
/// <param name="Shard">Which units.</param>
/// <param name="Weights">Units × inputs, after the update.</param>
/// <param name="Biases">After the update.</param>
public sealed record ShardUpdated(MessageKey Key, ShardRange Shard, double[] Weights, double[] Biases)
    : Observation(Key);
