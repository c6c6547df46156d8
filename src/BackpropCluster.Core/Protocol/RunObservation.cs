using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Protocol;

/// <summary>What happened to a run, said by its coordinator to whoever counts, logs or draws it.</summary>
/// <remarks>Each is said once, when it has happened, with all that is to be known of it, so that nobody has to find out
/// what happened by comparing what the coordinator says of itself before and after.</remarks>
public abstract record RunObservation(MessageKey Key) : Observation(Key);

/// <summary>Every part is asked to load a version: the run begins, recovers, moves, or is taken over.</summary>
/// <param name="Key">The first step to compute, and the new term.</param>
/// <param name="Placement">Who stands where from now on.</param>
public sealed record RestoreBegun(MessageKey Key, Placement Placement) : RunObservation(Key);

/// <summary>Every part has loaded it.</summary>
public sealed record RestoreDone(MessageKey Key) : RunObservation(Key);

/// <summary>A step begins.</summary>
public sealed record StepBegun(MessageKey Key) : RunObservation(Key);

/// <summary>The loss of the step is known: its last row has come forward.</summary>
public sealed record LossReported(MessageKey Key, BatchMetrics Score) : RunObservation(Key);

/// <summary>Every gradient of a step is in, and its update counts.</summary>
/// <param name="Key">The step.</param>
/// <param name="Score">Over its rows.</param>
/// <param name="IsReplayed">Whether this coordinator, or the checkpoint that it began with, knew its score.</param>
public sealed record StepCommitted(MessageKey Key, BatchMetrics Score, bool IsReplayed) : RunObservation(Key);

/// <summary>A version is sent through the rows that are held out, or all.</summary>
public sealed record EvaluationBegun(MessageKey Key) : RunObservation(Key);

/// <summary>It is evaluated.</summary>
public sealed record EvaluationDone(MessageKey Key, BatchMetrics Score) : RunObservation(Key);

/// <summary>A checkpoint is asked for.</summary>
public sealed record SaveBegun(MessageKey Key) : RunObservation(Key);

/// <summary>It counts.</summary>
public sealed record CheckpointSaved(MessageKey Key) : RunObservation(Key);

/// <summary>It could not be written.</summary>
public sealed record SaveFailed(MessageKey Key, string Reason) : RunObservation(Key);

/// <summary>The step at work is given up; all parts go back to the newest checkpoint, in a higher term.</summary>
/// <param name="Key">The step.</param>
/// <param name="Cause">Why.</param>
/// <param name="Reason">The same in words, with the silo or the part that it is about.</param>
/// <param name="During">What the run was doing.</param>
public sealed record RecoveryBegun(MessageKey Key, RecoveryCause Cause, string Reason, RunStatus During)
    : RunObservation(Key);

/// <summary>Parts move at a step boundary because silos came or left: nothing is computed again.</summary>
public sealed record RebalanceBegun(MessageKey Key) : RunObservation(Key);

/// <summary>The run stands still until its store, or a silo, is back.</summary>
public sealed record RunPaused(MessageKey Key, string Reason) : RunObservation(Key);

/// <summary>It goes on.</summary>
public sealed record RunResumed(MessageKey Key) : RunObservation(Key);

/// <summary>Something that the user should know, and that the run goes on in spite of.</summary>
public sealed record RunWarned(MessageKey Key, string Warning) : RunObservation(Key);

/// <summary>A message of another term or run was dropped. Some after a recovery are healthy.</summary>
public sealed record StaleMessageDropped(MessageKey Key) : RunObservation(Key);

/// <summary>This coordinator is done with the run: it is over, or another silo's coordinator goes on with it.</summary>
public sealed record RunEnded(MessageKey Key, RunStatus Status, Failure? Failure) : RunObservation(Key);
