using System.Collections.Immutable;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;

namespace BackpropCluster.ClusterTests;

internal static class StoreExtensions
{
    /// <summary>Asks for the lead of a run, as a coordinator that knows of no term.</summary>
    public static async Task<(
        int Term,
        CheckpointId? Id,
        Checkpoint? Checkpoint,
        ImmutableArray<string> Warnings
    )> Lead(this CheckpointStore store, RunPlan plan)
    {
        var key = new MessageKey(plan.Fingerprint, 0, 1, Phase.Forward, 0, ActorId.Coordinator, default);
        var granted = await store.AcquireLeadership(new AcquireLeadership(key, plan));
        return (granted.Key.Term, granted.Id, granted.Checkpoint, granted.Warnings);
    }
}
