using System.Collections.Immutable;
using BackpropCluster.Core.Layout.Checking;

namespace BackpropCluster.Core.Layout.Lowering;

/// <summary>What is inserted into a compute-only schedule.</summary>
public enum LoweringForm
{
    /// <summary>Sends and receives only.</summary>
    Transfers,

    /// <summary>Also UNSHARD and RESHARD round the actions of a stage, and REDUCE_GRAD after its last
    /// gradient.</summary>
    ShardedStages,
}

/// <summary>Turns a compute-only schedule into one that names everything a rank does, as PyTorch's runtime runs
/// it.</summary>
/// <remarks>In this order: <see cref="StageSharding"/>, <see cref="GradientReduction"/>, <see cref="Transfers"/>. Idle
/// cells vanish, in the first of these that looks at them. Rules: pytorch/pytorch,
/// torch/distributed/pipelining/schedules.py.</remarks>
public static class ScheduleLowering
{
    /// <param name="schedule">A compute-only one.</param>
    /// <param name="form">What is inserted.</param>
    /// <exception cref="ScheduleException">It is none in which every rank gets through.</exception>
    public static PipelineSchedule Lower(PipelineSchedule schedule, LoweringForm form)
    {
        if (ScheduleValidity.Refuse(schedule) is { } invalid)
            throw new ScheduleException(invalid);
        var graph = WaitGraph.Of(schedule, null);
        if (graph.Refuse() is { } stuck)
            throw new ScheduleException(stuck);
        var programs = schedule.Programs;
        if (form == LoweringForm.ShardedStages)
            programs =
            [
                .. programs
                    .Select(StageSharding.Insert)
                    .Select(cells => GradientReduction.Insert(cells, graph.Microbatches)),
            ];
        return new PipelineSchedule(Transfers.Insert(programs, graph.RankOfStages));
    }
}
