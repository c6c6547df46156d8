using BackpropCluster.Cli.Runs;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>What a run file says about where and how a run is carried out. None of it can change a result.</summary>
/// <param name="Silos">Silos inside this process, 1 or more; in a cluster of silo processes how many there must be at
/// least.</param>
/// <param name="Granularity">Units per grain.</param>
/// <param name="Placement">How actors are laid on silos.</param>
/// <param name="StepDeadline">How long a step may take without progress before it is recovered.</param>
/// <param name="GiveUpAfter">How long a run that recovers may go without a new step.</param>
/// <param name="Checkpoints">When the run is saved.</param>
/// <param name="LogEvery">Steps from one line of plain progress to the next; 0 writes ten lines a run.</param>
public sealed record ClusterSpec(
    int Silos,
    Granularity Granularity,
    PlacementRule Placement,
    TimeSpan StepDeadline,
    TimeSpan GiveUpAfter,
    CheckpointRule Checkpoints,
    int LogEvery
);
