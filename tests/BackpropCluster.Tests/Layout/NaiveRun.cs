using BackpropCluster.Core.Layout;

namespace BackpropCluster.Tests.Layout;

/// <summary>Runs a schedule as grains would: one rank after the other, each as far as it gets, with mailboxes that hold
/// so many messages. It knows no graph, and serves as the other opinion.</summary>
internal static class NaiveRun
{
    /// <param name="schedule">Computing actions.</param>
    /// <param name="rankOf">Index: the stage.</param>
    /// <param name="credits">What a mailbox holds, one for each pair of stages on two ranks and direction.</param>
    /// <param name="first">The rank that moves first; no end may depend on it.</param>
    public static bool Ends(PipelineSchedule schedule, int[] rankOf, int credits, int first)
    {
        var boxes = new Dictionary<(int From, int To), List<int>>();
        var local = new HashSet<(int From, int To, int Microbatch)>();
        var next = new int[schedule.Ranks];
        for (var moved = true; moved; )
        {
            moved = false;
            for (var i = 0; i < schedule.Ranks; i++)
                while (TryMove((first + i) % schedule.Ranks))
                    moved = true;
        }

        return schedule.Programs.Select(cells => cells.Length).SequenceEqual(next);

        bool TryMove(int rank)
        {
            if (next[rank] == schedule.Programs[rank].Length)
                return false;
            var cell = schedule.Programs[rank][next[rank]];
            foreach (var part in cell.Parts)
            {
                if (Input(part) is { } from && !Box(from, part.Stage).Contains(part.Microbatch))
                    if (!local.Contains((from, part.Stage, part.Microbatch)))
                        return false;
                if (Output(part) is not { } to || rankOf[to] == rank)
                    continue;
                var sent = cell.Parts.Count(other => other.Stage == part.Stage && Output(other) == to);
                if (Box(part.Stage, to).Count + sent > credits)
                    return false;
            }

            foreach (var part in cell.Parts)
            {
                if (Input(part) is { } from)
                    Box(from, part.Stage).Remove(part.Microbatch);
                if (Output(part) is not { } to)
                    continue;
                if (rankOf[to] == rank)
                    local.Add((part.Stage, to, part.Microbatch));
                else
                    Box(part.Stage, to).Add(part.Microbatch);
            }

            next[rank]++;
            return true;
        }

        List<int> Box(int from, int to)
        {
            if (!boxes.TryGetValue((from, to), out var box))
                boxes.Add((from, to), box = []);
            return box;
        }

        int? Input(StageAction action) =>
            action.Kind == ActionKind.Forward && action.Stage > 0 ? action.Stage - 1
            : action.MakesDelta && action.Stage < rankOf.Length - 1 ? action.Stage + 1
            : null;

        int? Output(StageAction action) =>
            action.Kind == ActionKind.Forward && action.Stage < rankOf.Length - 1 ? action.Stage + 1
            : action.MakesDelta && action.Stage > 0 ? action.Stage - 1
            : null;
    }
}
