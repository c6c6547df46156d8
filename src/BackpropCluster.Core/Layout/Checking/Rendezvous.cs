namespace BackpropCluster.Core.Layout.Checking;

/// <summary>Whether a lowered schedule gets through where nothing is buffered at all: a send ends when its receive
/// begins, and the other way round.</summary>
/// <remarks>Which ranks get through does not depend on who moves first: a pair that can meet can meet for good, since
/// neither of the two can do anything else meanwhile.</remarks>
internal static class Rendezvous
{
    /// <param name="schedule">One that <see cref="TransferValidity"/> has no objection to.</param>
    /// <param name="index">Where its computing actions stand.</param>
    public static ScheduleRefusal? Refuse(PipelineSchedule schedule, ScheduleIndex index)
    {
        var next = new int[schedule.Ranks];
        var ready = new Queue<int>(Enumerable.Range(0, schedule.Ranks));
        while (ready.TryDequeue(out var rank))
        {
            while (Head(rank) is { } cell && !cell.Parts[0].IsTransfer)
                next[rank]++;
            if (Head(rank) is not { } transfer)
                continue;
            var peer = index.RankOf[transfer.Parts[0].Peer.Stage];
            if (Head(peer)?.Parts[0] != transfer.Parts[0].Peer)
                continue;
            next[rank]++;
            next[peer]++;
            ready.Enqueue(rank);
            ready.Enqueue(peer);
        }

        var stuck = Enumerable
            .Range(0, schedule.Ranks)
            .Where(rank => Head(rank) is not null)
            .ToDictionary(r => r, Wait);
        return stuck.Count == 0 ? null : WaitRing.Refuse(stuck, "without a buffer");

        ScheduleCell? Head(int rank) =>
            next[rank] < schedule.Programs[rank].Length ? schedule.Programs[rank][next[rank]] : null;

        RankWait Wait(int rank)
        {
            var transfer = schedule.Programs[rank][next[rank]].Parts[0];
            return new(
                rank,
                next[rank],
                transfer.ToString(),
                index.RankOf[transfer.Peer.Stage],
                $"come to {transfer.Peer}"
            );
        }
    }
}
