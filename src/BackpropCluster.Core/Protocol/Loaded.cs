using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Protocol;

/// <summary>What became of a Restore's loading.</summary>
public abstract record Loaded;

/// <param name="Model">The checkpoint's model; <see langword="null"/> where the Restore names none.</param>
/// <param name="Rows">The run's rows; <see langword="null"/> where no part of the silo needs them.</param>
public sealed record LoadedState(SavedModel? Model, Dataset? Rows) : Loaded;

/// <summary>The checkpoint was whole when the coordinator chose it, and is not now. Asked again, the store finds the
/// one before.</summary>
public sealed record CheckpointUnreadable : Loaded;

/// <summary>This silo cannot bring the rows; others may.</summary>
/// <param name="Reason">Which silo, which file, and what is wrong with it.</param>
public sealed record RowsUnreadable(string Reason) : Loaded;
