namespace BackpropCluster.Core.Protocol;

/// <summary>Where a run stands. A run is always in one of these; nothing hangs unsaid.</summary>
public enum RunStatus : byte
{
    /// <summary>The store is asked for a new term and the newest whole checkpoint.</summary>
    Leading,

    /// <summary>Restore is out; the step begins when every part has answered.</summary>
    Restoring,
    Training,
    Evaluating,

    /// <summary>Shards put the committed version into the store.</summary>
    Saving,
    Completed,

    /// <summary>Ended by request at a step boundary, saved if the run saves at all.</summary>
    Interrupted,
    Failed,

    /// <summary>Saved at a step boundary by a coordinator whose silo leaves; another one goes on.</summary>
    HandedOver,
}

/// <summary>Questions about a status.</summary>
public static class RunStatusExtensions
{
    /// <summary>Whether nothing more will happen to the run.</summary>
    public static bool IsOver(this RunStatus status) =>
        status is RunStatus.Completed or RunStatus.Interrupted or RunStatus.Failed;
}
