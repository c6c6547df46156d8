using BackpropCluster.Core.Layout.Lowering;

namespace BackpropCluster.Core.Layout.Checking;

/// <summary>PyTorch's dependency simulator: does each rank get through a lowered schedule, and in how many
/// steps?</summary>
/// <remarks>A step goes over the ranks in rising order; each does its next action if that is ready, or idles. What one
/// did is seen by later ranks of the same step; then ranks that idled get a second chance, since a later rank may have
/// unblocked them. A send is ready when what it sends is made, a receive when its send is done, W always. A rank that
/// is through counts no more steps. Sends never wait, so this is the answer for mailboxes of any size.</remarks>
internal sealed class StepSimulator
{
    private readonly PipelineSchedule schedule;
    private readonly ScheduleIndex index;
    private readonly HashSet<StageAction>[] done;
    private readonly int[] next;

    private StepSimulator(PipelineSchedule schedule, ScheduleIndex index)
    {
        (this.schedule, this.index) = (schedule, index);
        done = [.. schedule.Programs.Select(_ => new HashSet<StageAction>())];
        next = new int[schedule.Ranks];
    }

    /// <param name="schedule">One that <see cref="TransferValidity"/> has no objection to.</param>
    /// <param name="index">Where its computing actions stand.</param>
    /// <returns>The steps of the rank that needs most, or who waits for whom.</returns>
    public static (int Steps, ScheduleRefusal? Refusal) Run(PipelineSchedule schedule, ScheduleIndex index) =>
        new StepSimulator(schedule, index).Run();

    private (int Steps, ScheduleRefusal? Refusal) Run()
    {
        var ranks = Enumerable.Range(0, schedule.Ranks).ToList();
        for (var steps = 0; ; steps++)
        {
            var open = ranks.FindAll(rank => next[rank] < schedule.Programs[rank].Length);
            if (open.Count == 0)
                return (steps, null);
            var idle = open.FindAll(rank => !TryMove(rank));
            if (idle.Count == open.Count)
                return (steps, WaitRing.Refuse(open.ToDictionary(rank => rank, Wait), "with mailboxes of any size"));
            foreach (var rank in idle)
                TryMove(rank);
        }
    }

    private bool TryMove(int rank)
    {
        var cell = schedule.Programs[rank][next[rank]];
        if (!cell.Parts.All(part => IsReady(part, rank)))
            return false;
        done[rank].UnionWith(cell.Parts);
        next[rank]++;
        return true;
    }

    // What a lowered list computes or sends has its inputs further up in the same list: only a receive waits.
    private bool IsReady(StageAction action, int rank) =>
        action.IsTransfer && !action.IsSend
            ? done[index.RankOf[action.Peer.Stage]].Contains(action.Peer)
            : !action.IsCompute || Transfers.HasInputs(action, index.Stages, done[rank]);

    private RankWait Wait(int rank)
    {
        var receive = schedule.Programs[rank][next[rank]].Parts[0];
        return new(rank, next[rank], receive.ToString(), index.RankOf[receive.Peer.Stage], $"come to {receive.Peer}");
    }
}
