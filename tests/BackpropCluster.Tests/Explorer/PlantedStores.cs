using BackpropCluster.Core.Protocol;
using BackpropCluster.Simulation;

namespace BackpropCluster.Tests.Explorer;

/// <summary>Stale checkpoint chosen: the one before the newest.</summary>
internal sealed class StoreThatChoosesAStaleCheckpoint : MemoryStore
{
    protected override (CheckpointId? Id, Checkpoint? Checkpoint) Choose(RunPlan plan) =>
        Checkpoints.Count >= 2 && CanOpen(plan, Checkpoints[^2].Id) ? Checkpoints[^2] : base.Choose(plan);
}

/// <summary>Part file counted as whole: what was torn is read as if it were all there.</summary>
internal sealed class StoreThatCountsEveryPartAsWhole : MemoryStore
{
    public override bool CanOpen(RunPlan plan, CheckpointId id) => true;
}
