using System.Collections.Immutable;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Protocol;

/// <summary>The scores of consecutive steps, and of the evaluations of their versions: one record that every later
/// checkpoint names.</summary>
/// <remarks>If each checkpoint held all scores since the first step, a long run's would grow with the square of its
/// steps. What is computed again has the same bits, so whoever writes a block once more writes the same: a damaged one
/// is mended by that.</remarks>
/// <param name="Losses">Of the steps first to last.</param>
/// <param name="Evaluations">Of the versions first to last.</param>
[GenerateSerializer, Immutable, Alias("score-block")]
public sealed record MetricsBlock(
    [property: Id(0)] ImmutableArray<BatchMetrics> Losses,
    [property: Id(1)] ImmutableArray<EvaluationMetrics> Evaluations
)
{
    /// <summary>How many full blocks a version has.</summary>
    public static int Count(int version, int size) => version / size;

    /// <summary>The scores of steps <paramref name="block"/>·<paramref name="size"/> + 1 and on, at most
    /// <paramref name="size"/> of them.</summary>
    public static MetricsBlock Of(Checkpoint checkpoint, int block, int size)
    {
        var (before, last) = (block * size, Math.Min((block + 1) * size, checkpoint.Version));
        return new MetricsBlock(
            [.. checkpoint.Losses.Skip(before).Take(last - before)],
            [.. checkpoint.Evaluations.Where(e => e.Version > before && e.Version <= last)]
        );
    }

    /// <summary>What is left of a checkpoint when the scores of its full blocks are taken out.</summary>
    public static Checkpoint Rest(Checkpoint checkpoint, int size)
    {
        var rest = Of(checkpoint, Count(checkpoint.Version, size), size);
        return checkpoint with { Losses = rest.Losses, Evaluations = rest.Evaluations };
    }

    /// <summary>The checkpoint with the scores of its blocks, in their order, put back.</summary>
    public static Checkpoint Join(IReadOnlyCollection<MetricsBlock> blocks, Checkpoint rest) =>
        rest with
        {
            Losses = [.. blocks.SelectMany(b => b.Losses), .. rest.Losses],
            Evaluations = [.. blocks.SelectMany(b => b.Evaluations), .. rest.Evaluations],
        };
}

/// <summary>The blocks of a run that a process has found whole in the store, or written, since a term began.</summary>
/// <remarks>Known for longer, a block that was damaged since would never be written again, and every later checkpoint
/// would be broken by it: who begins to lead looks at all of them once more.</remarks>
public sealed class KnownBlocks
{
    private readonly List<string> digests = [];
    private int term;

    /// <summary>Digests of the blocks that are known in a term, from the first on. One of another term than the last
    /// forgets what was known.</summary>
    public IReadOnlyList<string> Of(int askedTerm)
    {
        if (askedTerm != term)
            digests.Clear();
        term = askedTerm;
        return digests;
    }

    /// <summary>The next block is whole.</summary>
    public void Add(string digest) => digests.Add(digest);
}
