namespace BackpropCluster.Core.Layout;

/// <summary>How large a schedule is.</summary>
/// <param name="Ranks">p: devices in a row.</param>
/// <param name="StagesPerRank">v: stages, or chunks of the model, on each.</param>
/// <param name="Microbatches">m: parts of a step's batch.</param>
public readonly record struct ScheduleShape(int Ranks, int StagesPerRank, int Microbatches)
{
    public int Stages => Ranks * StagesPerRank;
}
