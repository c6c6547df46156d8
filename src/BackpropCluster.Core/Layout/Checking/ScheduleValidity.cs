using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout.Checking;

/// <summary>Whether a schedule holds everything that a step needs, once and in order on each rank. Whether the ranks
/// wait for each other in a circle is another question: <see cref="WaitGraph"/>.</summary>
/// <remarks>All ranks 0 … p−1 have work; stages are 0 … S−1, each on one rank; each stage has each microbatch once as
/// F, and once as B or as I and W; on its rank F stands before B or I, and I before W.</remarks>
public static class ScheduleValidity
{
    /// <summary>What is wrong first, rank by rank; <see langword="null"/> if nothing is.</summary>
    public static ScheduleRefusal? Refuse(PipelineSchedule schedule) =>
        RefuseRanks(schedule) ?? RefuseStages(schedule) ?? RefusePrograms(schedule, Microbatches(schedule));

    /// <summary>The rank of each stage. A rank's stages need not be neighbours.</summary>
    /// <param name="schedule">One in which each stage has an action.</param>
    public static ImmutableArray<int> RankOfStages(PipelineSchedule schedule)
    {
        var ranks = new int[schedule.Actions.Where(action => action.IsCompute).Max(action => action.Stage) + 1];
        for (var rank = 0; rank < schedule.Ranks; rank++)
            foreach (var part in schedule.Programs[rank].SelectMany(cell => cell.Parts))
                if (part.IsCompute)
                    ranks[part.Stage] = rank;
        return [.. ranks];
    }

    /// <summary>How many microbatches a step has: the number that most stages agree on, so that a stage with one too
    /// many or too few is the one that is named.</summary>
    public static int Microbatches(PipelineSchedule schedule)
    {
        var highest = new Dictionary<(int Stage, bool IsForward), int>();
        foreach (var action in schedule.Actions.Where(action => action.IsCompute))
        {
            var key = (action.Stage, action.Kind == ActionKind.Forward);
            highest[key] = Math.Max(highest.GetValueOrDefault(key), action.Microbatch + 1);
        }

        return highest
            .Values.GroupBy(count => count)
            .OrderByDescending(group => group.Count())
            .ThenByDescending(group => group.Key)
            .First()
            .Key;
    }

    private static ScheduleRefusal? RefuseRanks(PipelineSchedule schedule)
    {
        for (var rank = 0; rank < schedule.Ranks; rank++)
            if (!schedule.Programs[rank].Any(cell => cell.Parts.Any(part => part.IsCompute)))
                return new(rank, null, null, "the rank computes nothing, expected at least one stage of it");
        return null;
    }

    // Numbers of a file can be anything: nothing here is as large as the largest of them.
    private static ScheduleRefusal? RefuseStages(PipelineSchedule schedule)
    {
        var ranks = new Dictionary<int, int>();
        for (var rank = 0; rank < schedule.Ranks; rank++)
        for (var at = 0; at < schedule.Programs[rank].Length; at++)
            foreach (var part in schedule.Programs[rank][at].Parts)
                if (part.IsCompute && !ranks.TryAdd(part.Stage, rank) && ranks[part.Stage] != rank)
                    return At(
                        schedule,
                        rank,
                        at,
                        $"stage {part.Stage} is on rank {ranks[part.Stage]}, expected each stage on one rank"
                    );
        var gap = Enumerable.Range(0, ranks.Count).FirstOrDefault(stage => !ranks.ContainsKey(stage), -1);
        if (gap < 0)
            return null;
        var above = ranks.Keys.Where(stage => stage > gap).Min();
        var first = schedule.Programs[ranks[above]].ToList().FindIndex(cell => cell.Parts.Any(p => p.Stage == above));
        return At(
            schedule,
            ranks[above],
            first,
            $"there is a stage {above} but no stage {gap}, expected stages from 0 without a gap"
        );
    }

    private static ScheduleRefusal? RefusePrograms(PipelineSchedule schedule, int microbatches)
    {
        for (var rank = 0; rank < schedule.Ranks; rank++)
        {
            var done = new HashSet<StageAction>();
            for (var at = 0; at < schedule.Programs[rank].Length; at++)
                foreach (var part in schedule.Programs[rank][at].Parts.Where(part => part.IsCompute))
                    if (Refuse(part, done, microbatches) is { } reason)
                        return At(schedule, rank, at, reason);
            if (Missing(done, microbatches) is { } missing)
                return new(rank, null, missing.Action.ToString(), missing.Reason);
        }

        return null;
    }

    private static string? Refuse(StageAction action, HashSet<StageAction> done, int microbatches)
    {
        if (action.Microbatch >= microbatches)
            return $"{action} is out of range, expected microbatches 0 to {microbatches - 1}, which most stages have";
        var (forward, input, full, weight) = (
            action with
            {
                Kind = ActionKind.Forward,
            },
            action with
            {
                Kind = ActionKind.InputBackward,
            },
            action with
            {
                Kind = ActionKind.FullBackward,
            },
            action with
            {
                Kind = ActionKind.WeightBackward,
            }
        );
        var other = action.Kind == ActionKind.InputBackward ? full : input;
        if (action.MakesDelta && done.Contains(other))
            return $"{action} comes after {other}, expected either B or I and W of a stage and microbatch";
        if (action.MakesDelta && !done.Contains(forward))
            return $"{action} has no {forward} before it, expected the forward first";
        if (action == weight && !done.Contains(input))
            return $"{action} has no {input} before it, expected I before W";
        return done.Add(action) ? null : $"{action} is there twice, expected each action once";
    }

    private static (StageAction Action, string Reason)? Missing(HashSet<StageAction> done, int microbatches)
    {
        foreach (var stage in done.Select(action => action.Stage).Distinct().Order().ToList())
            for (var i = 0; i < microbatches; i++)
            {
                var forward = new StageAction(stage, ActionKind.Forward, i);
                var input = forward with { Kind = ActionKind.InputBackward };
                var weight = forward with { Kind = ActionKind.WeightBackward };
                var full = forward with { Kind = ActionKind.FullBackward };
                if (!done.Contains(forward))
                    return (forward, $"{forward} is missing, expected each stage to have every microbatch");
                if (!done.Contains(full) && !done.Contains(input))
                    return (full, $"{full} is missing, and so are {input} and {weight}");
                if (done.Contains(input) && !done.Contains(weight))
                    return (weight, $"{weight} is missing, expected W after {input}");
            }

        return null;
    }

    private static ScheduleRefusal At(PipelineSchedule schedule, int rank, int position, string reason) =>
        new(rank, position, schedule.Programs[rank][position].ToString(), reason);
}
