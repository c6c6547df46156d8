using BackpropCluster.Cli.Runs;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Simulation;

namespace BackpropCluster.Tests.Explorer;

/// <summary>Stale checkpoint chosen: the one before the newest.</summary>
internal sealed class StoreThatChoosesAStaleCheckpoint : MemoryStore
{
    public override bool CanOpen(RunPlan plan, CheckpointId id) =>
        base.CanOpen(plan, id) && (Checkpoints.Count < 2 || id != Checkpoints[^1]);
}

/// <summary>A checkpoint of an earlier term counts: two who lead make two histories.</summary>
internal sealed class StoreThatFencesNobody : MemoryStore
{
    protected override bool Accepts(RunManifest manifest, int term) => true;
}

/// <summary>Part file counted as whole: what was torn is read as if it were all there.</summary>
internal sealed class StoreThatCountsEveryPartAsWhole : MemoryStore
{
    public override bool CanOpen(RunPlan plan, CheckpointId id) => true;
}

/// <summary>Blocks known for ever: one that was written once is never looked at again, whatever became of it.</summary>
internal sealed class StoreThatKnowsItsBlocksForEver : MemoryStore
{
    protected override int TermOfBlocks(int by) => 1;
}

/// <summary>History forgotten: a leader that takes over is told the version, and not the scores before it.</summary>
internal sealed class StoreThatForgetsTheHistory : MemoryStore
{
    protected override Checkpoint Read(CheckpointId id) => base.Read(id) with { Losses = [], Evaluations = [] };
}
