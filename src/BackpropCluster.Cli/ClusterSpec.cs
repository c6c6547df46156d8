using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Cli;

/// <summary>What a run file says about where and how a run is carried out. None of it can change a result.</summary>
/// <param name="Silos">Silos inside this process, 1 or more.</param>
/// <param name="Granularity">Units per grain.</param>
/// <param name="StepDeadline">How long a step may take without progress before it is recovered.</param>
public sealed record ClusterSpec(int Silos, Granularity Granularity, TimeSpan StepDeadline);
