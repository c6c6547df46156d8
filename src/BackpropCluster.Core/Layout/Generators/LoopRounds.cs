namespace BackpropCluster.Core.Layout.Generators;

/// <summary>The order in which one rank of a looped pipeline goes through its stages: so many microbatches on a stage,
/// then as many on its next one, round and round.</summary>
/// <remarks>Stage s is on rank s mod p; m microbatches are cut into max(1, ⌊m/p⌋) rounds.</remarks>
/// <param name="Shape">p, v and m.</param>
/// <param name="Rank">r.</param>
internal readonly record struct LoopRounds(ScheduleShape Shape, int Rank)
{
    /// <summary>How many rounds the microbatches are cut into.</summary>
    public static int CountOf(ScheduleShape shape) => Math.Max(1, shape.Microbatches / shape.Ranks);

    public int MicrobatchesPerRound => Shape.Microbatches / CountOf(Shape);

    public int Operations => Shape.Microbatches * Shape.StagesPerRank;

    /// <summary>The stage of the rank's i-th forward: upwards.</summary>
    public int ForwardStage(int i) => Shape.Ranks * (i / MicrobatchesPerRound % Shape.StagesPerRank) + Rank;

    /// <summary>The stage of the rank's i-th backward: downwards.</summary>
    public int BackwardStage(int i) =>
        Shape.Ranks * (Shape.StagesPerRank - 1 - i / MicrobatchesPerRound % Shape.StagesPerRank) + Rank;

    /// <summary>Why the microbatches cannot be cut into equal rounds, and the nearest numbers that can.</summary>
    public static string? Refuse(ScheduleShape shape)
    {
        var rounds = CountOf(shape);
        if (shape.Microbatches % rounds == 0)
            return null;
        var (below, above) = (shape.Microbatches - 1, shape.Microbatches + 1);
        while (below % CountOf(shape with { Microbatches = below }) != 0)
            below--;
        while (above % CountOf(shape with { Microbatches = above }) != 0)
            above++;
        return $"{shape.Microbatches} microbatches make ⌊{shape.Microbatches}/{shape.Ranks}⌋ = {rounds} rounds, and "
            + $"{shape.Microbatches} = {rounds}·{shape.Microbatches / rounds} + {shape.Microbatches % rounds} leaves a "
            + $"rest. Set microbatches to {below} or {above}";
    }
}
