using System.Collections.Immutable;
using BackpropCluster.Core.Layout.Lowering;

namespace BackpropCluster.Core.Layout.Checking;

/// <summary>Whether the sends, receives and whole-stage actions of a lowered schedule are those that its computing
/// actions need. PyTorch does not look.</summary>
/// <remarks>Each message between ranks has one SEND, after what makes it, and one RECV, before what needs it; there are
/// no others. A stage that is gathered at all is gathered whenever it computes; REDUCE_GRAD comes once, after all of
/// the stage's gradients.</remarks>
internal static class TransferValidity
{
    /// <param name="schedule">A lowered one whose computing actions are valid.</param>
    /// <param name="index">Where they stand.</param>
    public static ScheduleRefusal? Refuse(PipelineSchedule schedule, ScheduleIndex index)
    {
        var needed = schedule
            .Actions.Where(action => action.IsCompute)
            .Select(action => Transfers.SendOf(action, index.RankOf))
            .OfType<StageAction>()
            .SelectMany(send => new[] { send, send.Peer })
            .ToHashSet();
        var sharded = schedule.Actions.Where(a => a.Kind == ActionKind.Unshard).Select(a => a.Stage).ToHashSet();
        for (var rank = 0; rank < schedule.Ranks; rank++)
        {
            var state = new RankState(index, needed, sharded, rank);
            for (var at = 0; at < schedule.Programs[rank].Length; at++)
                if (
                    schedule.Programs[rank][at].Parts.Select(state.Take).FirstOrDefault(r => r is not null) is
                    { } reason
                )
                    return new(rank, at, schedule.Programs[rank][at].ToString(), reason);
            var missing = needed
                .Where(a => index.RankOf[a.Stage] == rank && !state.Done.Contains(a))
                .Select(a => a.ToString())
                .Order(StringComparer.Ordinal)
                .FirstOrDefault();
            if (missing is not null)
                return new(rank, null, missing, $"{missing} is missing, expected a transfer of each message");
        }

        return null;
    }

    private sealed class RankState(ScheduleIndex index, HashSet<StageAction> needed, HashSet<int> sharded, int rank)
    {
        private readonly HashSet<int> active = [];
        private readonly Dictionary<int, int> gradients = [];

        public HashSet<StageAction> Done { get; } = [];

        /// <summary>What is wrong with the next action; <see langword="null"/> if nothing is.</summary>
        public string? Take(StageAction action)
        {
            var reason =
                action.IsTransfer ? RefuseTransfer(action)
                : action.IsCompute ? RefuseCompute(action)
                : RefuseOfStage(action);
            if (action.Releases)
                gradients[action.Stage] = gradients.GetValueOrDefault(action.Stage) + 1;
            return reason
                ?? (
                    Done.Add(action) || action.Kind is ActionKind.Unshard or ActionKind.Reshard
                        ? null
                        : $"{action} is there twice, expected each transfer once"
                );
        }

        private string? RefuseTransfer(StageAction action)
        {
            if (!needed.Contains(action))
                return $"{action} moves nothing that another rank needs, expected transfers between ranks only";
            if (index.RankOf[action.Stage] != rank)
                return $"stage {action.Stage} is on rank {index.RankOf[action.Stage]}, expected {action} there";
            var forward = action with { Kind = ActionKind.Forward };
            var makers =
                action.Kind == ActionKind.SendForward
                    ? new[] { forward }
                    : [action with { Kind = ActionKind.InputBackward }, action with { Kind = ActionKind.FullBackward }];
            return action.IsSend && !makers.Any(Done.Contains)
                ? $"{action} has no {string.Join(" or ", makers)} before it, expected what it sends to be made first"
                : null;
        }

        private string? RefuseCompute(StageAction action)
        {
            if (sharded.Contains(action.Stage) && !active.Contains(action.Stage))
                return $"stage {action.Stage} is not gathered, expected {action.Stage}UNSHARD before {action}";
            var receive = action.MakesDelta ? ActionKind.ReceiveBackward : ActionKind.ReceiveForward;
            return Transfers.HasInputs(action, index.Stages, Done)
                ? null
                : $"{action} comes before its input, expected {action with { Kind = receive }} first";
        }

        private string? RefuseOfStage(StageAction action)
        {
            if (action.Stage >= index.Stages || index.RankOf[action.Stage] != rank)
                return $"{action} is of a stage that the rank does not have";
            return action.Kind switch
            {
                ActionKind.Unshard => active.Add(action.Stage) ? null : $"stage {action.Stage} is gathered already",
                ActionKind.Reshard => active.Remove(action.Stage) ? null : $"stage {action.Stage} is not gathered",
                _ => gradients.GetValueOrDefault(action.Stage) == index.Microbatches
                    ? null
                    : $"{action} comes after {gradients.GetValueOrDefault(action.Stage)} of {index.Microbatches} "
                        + "gradients, expected all of them first",
            };
        }
    }
}
