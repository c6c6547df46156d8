using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout.Lowering;

/// <summary>Inserts sends and receives where neighbouring stages are on different ranks.</summary>
/// <remarks>Rounds over the ranks in rising order, one cell a rank and round. A cell is placed when its inputs are on
/// the rank: received, or made there. With it its SEND goes to the end of its own rank's list, and the matching RECV at
/// once to the end of the other rank's. So a RECV stands where its <em>sender</em> was placed, often long before what
/// needs it, and all lists agree with one order in time: no circle of sends and receives can come of it. An idle cell
/// takes a round and leaves nothing behind.</remarks>
internal static class Transfers
{
    public static ImmutableArray<ImmutableArray<ScheduleCell>> Insert(
        ImmutableArray<ImmutableArray<ScheduleCell>> programs,
        ImmutableArray<int> rankOf
    )
    {
        var lists = programs.Select(_ => ImmutableArray.CreateBuilder<ScheduleCell>()).ToArray();
        var (here, next) = (programs.Select(_ => new HashSet<StageAction>()).ToArray(), new int[programs.Length]);
        for (var isGoing = true; isGoing; )
        {
            isGoing = false;
            for (var rank = 0; rank < programs.Length; rank++)
            {
                if (next[rank] == programs[rank].Length)
                    continue;
                var cell = programs[rank][next[rank]];
                if (!cell.Parts.All(part => HasInputs(part, rankOf.Length, here[rank])))
                    continue;
                if (!cell.IsIdle)
                    lists[rank].Add(cell);
                foreach (var part in cell.Parts)
                {
                    here[rank].Add(part);
                    if (SendOf(part, rankOf) is not { } send)
                        continue;
                    lists[rank].Add(new ScheduleCell(send));
                    lists[rankOf[send.Peer.Stage]].Add(new ScheduleCell(send.Peer));
                    here[rankOf[send.Peer.Stage]].Add(send.Peer);
                }

                next[rank]++;
                isGoing = true;
            }
        }

        return [.. lists.Select(list => list.ToImmutable())];
    }

    /// <summary>The send of what an action makes; <see langword="null"/> if it makes nothing for another
    /// rank.</summary>
    public static StageAction? SendOf(StageAction action, ImmutableArray<int> rankOf) =>
        action.Kind == ActionKind.Forward
        && action.Stage < rankOf.Length - 1
        && rankOf[action.Stage + 1] != rankOf[action.Stage]
            ? action with
            {
                Kind = ActionKind.SendForward,
            }
        : action.MakesDelta && action.Stage > 0 && rankOf[action.Stage - 1] != rankOf[action.Stage]
            ? action with
            {
                Kind = ActionKind.SendBackward,
            }
        : null;

    /// <summary>Whether everything that an action needs from other stages has come to its rank or was made
    /// there.</summary>
    public static bool HasInputs(StageAction action, int stages, HashSet<StageAction> here)
    {
        if (action.Kind == ActionKind.Forward)
            return action.Stage == 0
                || here.Contains(action with { Kind = ActionKind.ReceiveForward })
                || here.Contains(action with { Stage = action.Stage - 1 });
        return !action.MakesDelta
            || action.Stage == stages - 1
            || here.Contains(action with { Kind = ActionKind.ReceiveBackward })
            || here.Contains(new(action.Stage + 1, ActionKind.InputBackward, action.Microbatch))
            || here.Contains(new(action.Stage + 1, ActionKind.FullBackward, action.Microbatch));
    }
}
