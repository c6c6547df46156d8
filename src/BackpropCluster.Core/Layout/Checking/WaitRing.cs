using System.Globalization;

namespace BackpropCluster.Core.Layout.Checking;

/// <summary>A rank that cannot go on.</summary>
/// <param name="Rank">Which.</param>
/// <param name="Position">The cell that it cannot start.</param>
/// <param name="Action">That cell's text.</param>
/// <param name="For">The rank that it waits for.</param>
/// <param name="Until">What that rank would have to do, after "to".</param>
internal readonly record struct RankWait(int Rank, int Position, string Action, int For, string Until);

/// <summary>Ranks that wait for each other.</summary>
internal static class WaitRing
{
    /// <summary>Names the ranks of one circle, each with its action; or the end of a chain, if that leads to a rank
    /// that is through.</summary>
    /// <param name="waits">At least one rank that waits; ranks that are through are not in it.</param>
    /// <param name="where">What it depends on, such as "with 1 credit a link".</param>
    public static ScheduleRefusal Refuse(IReadOnlyDictionary<int, RankWait> waits, string where)
    {
        var chain = new List<RankWait>();
        for (
            var rank = waits.Keys.Min();
            waits.TryGetValue(rank, out var wait) && !chain.Contains(wait);
            rank = wait.For
        )
            chain.Add(wait);
        var ring = chain.FindIndex(wait => wait.Rank == chain[^1].For);
        var named = ring < 0 ? [chain[^1]] : chain[ring..];
        var told = named.Select(
            (wait, i) =>
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{(i == 0 ? "" : $"rank {wait.Rank} at ")}{wait.Action} waits for rank {wait.For} to {wait.Until}"
                )
        );
        var end = ring < 0 ? $", and rank {named[0].For} is through" : "";
        return new ScheduleRefusal(
            named[0].Rank,
            named[0].Position,
            named[0].Action,
            $"{string.Join(", and ", told)}{end}: {where} nobody of them can go on"
        );
    }
}
