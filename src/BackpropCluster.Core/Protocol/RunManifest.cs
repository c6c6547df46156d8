using System.Collections.Immutable;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Protocol;

/// <summary>What the store knows of a run as a whole: who leads it, and which checkpoints count.</summary>
/// <remarks>The rules by which it changes are here, pure, for every store alike: a folder, Redis, a
/// simulator's.</remarks>
/// <param name="Fingerprint">Of the run.</param>
/// <param name="Term">The highest term that was given out.</param>
/// <param name="Sequence">Grows with every write, from 1.</param>
/// <param name="Checkpoints">Those that count, the oldest first.</param>
/// <param name="Dropped">Those that counted once and whose records may still be there. They are deleted before the next
/// head is written, so a crash between the two leaves nothing that no head knows of.</param>
[GenerateSerializer, Immutable, Alias("run-head")]
public sealed record RunManifest(
    [property: Id(0)] ulong Fingerprint,
    [property: Id(1)] int Term,
    [property: Id(2)] long Sequence,
    [property: Id(3)] ImmutableArray<CheckpointId> Checkpoints,
    [property: Id(4)] ImmutableArray<CheckpointId> Dropped
)
{
    /// <summary>The head of a run that nobody has led yet.</summary>
    public static RunManifest New(ulong fingerprint) => new(fingerprint, 0, 0, [], []);

    /// <summary>Grants the lead: a term above every one that is known.</summary>
    /// <param name="known">The highest term that the asking coordinator knows.</param>
    public RunManifest Granted(int known) => this with { Term = Math.Max(Term, known) + 1 };

    /// <summary>Whether a coordinator of a term may make a checkpoint count: nobody leads in a later one.</summary>
    public bool Accepts(int term) => term == Term;

    /// <summary>Whether a version of a term counts already: the request is a repeat.</summary>
    public bool Has(int version, int term) => Checkpoints.Any(c => c.Version == version && c.Term == term);

    /// <summary>Makes a checkpoint count. The records of <see cref="Dropped"/> are gone by now.</summary>
    /// <param name="id">The new one, whose records are all written.</param>
    /// <param name="checkpoint">What stands in it.</param>
    /// <param name="keep">How many of the newest are kept, and the best one besides; 0 keeps all.</param>
    public RunManifest With(CheckpointId id, Checkpoint checkpoint, int keep)
    {
        // Broken newer ones may be named still; what is computed again takes their place.
        ImmutableArray<CheckpointId> all = [.. Checkpoints.Where(c => c.Version < id.Version), id];
        var best = Best(all, checkpoint.Evaluations);
        var kept = keep == 0 ? all : [.. all.Where((c, i) => i >= all.Length - keep || c == best)];
        return this with { Checkpoints = kept, Dropped = [.. Checkpoints.Except(kept)] };
    }

    // By accuracy where there are classes, else by loss; of equals the earliest. A version that was not evaluated is no
    // candidate.
    private static CheckpointId? Best(ImmutableArray<CheckpointId> all, ImmutableArray<EvaluationMetrics> evaluations)
    {
        var scores = evaluations.ToDictionary(e => e.Version, e => e.Score);
        return all.Where(c => scores.ContainsKey(c.Version))
            .MinBy(c =>
                scores[c.Version] is var s ? (-(s.Accuracy ?? 0), s.Accuracy is null ? s.Loss : 0, c.Version) : default
            );
    }
}
