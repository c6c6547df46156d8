using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout.Lowering;

/// <summary>Has a stage's parameters gathered before its actions and let go after them, so that a rank holds those of
/// few stages at once.</summary>
/// <remarks>Before each action the next <see cref="MaxActive"/> different stages that will compute, from this action
/// on, are wanted. First RESHARD what is there and not wanted, in rising order, then UNSHARD what is wanted and not
/// there, in the order in which it will be used; after the last action RESHARD the rest. Idle
/// cells are left out.</remarks>
internal static class StageSharding
{
    /// <summary>Stages whose parameters a rank holds at once; PyTorch's default for <c>max_active_stages</c>.</summary>
    private const int MaxActive = 3;

    public static ImmutableArray<ScheduleCell> Insert(ImmutableArray<ScheduleCell> program)
    {
        var result = ImmutableArray.CreateBuilder<ScheduleCell>();
        var active = new SortedSet<int>();
        for (var at = 0; at < program.Length; at++)
        {
            if (program[at].IsIdle)
                continue;
            var wanted = Wanted(program, at);
            Reshard(active.Except(wanted).ToList());
            foreach (var stage in wanted)
                if (active.Add(stage))
                    result.Add(new ScheduleCell(new StageAction(stage, ActionKind.Unshard)));
            result.Add(program[at]);
        }

        Reshard([.. active]);
        return result.ToImmutable();

        void Reshard(List<int> stages)
        {
            foreach (var stage in stages)
            {
                active.Remove(stage);
                result.Add(new ScheduleCell(new StageAction(stage, ActionKind.Reshard)));
            }
        }
    }

    // All parts of an overlapped cell are wanted before the number is looked at: it can be exceeded by one.
    private static List<int> Wanted(ImmutableArray<ScheduleCell> program, int from)
    {
        var wanted = new List<int>();
        for (var at = from; at < program.Length && wanted.Count < MaxActive; at++)
            foreach (var part in program[at].Parts)
                if (!wanted.Contains(part.Stage))
                    wanted.Add(part.Stage);
        return wanted;
    }
}
