using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Cli;

/// <summary>What a run file says about where and how a run is carried out. None of it can change a result.</summary>
/// <param name="Silos">Silos inside this process, 1 or more.</param>
/// <param name="Granularity">Units per grain.</param>
/// <param name="StepDeadline">How long a step may take without progress before it is recovered.</param>
/// <param name="Checkpoints">When the run is saved.</param>
/// <param name="LogEvery">Steps from one line of plain progress to the next; 0 writes ten lines a run.</param>
public sealed record ClusterSpec(int Silos, Granularity Granularity, TimeSpan StepDeadline, CheckpointRule Checkpoints, int LogEvery);
