using System.Collections.Immutable;

namespace BackpropCluster.Core.Protocol;

/// <summary>The search for the newest whole checkpoint of a run that is to be led: a store reads what is named next and
/// says what came of it. The same for a folder, Redis and a simulator's store.</summary>
/// <param name="head">What the store knows of the run, with the term that was granted.</param>
/// <param name="warnings">What was wrong with the head's own records.</param>
public sealed class CheckpointSearch(RunManifest head, IEnumerable<string>? warnings = null)
{
    private readonly ImmutableArray<string>.Builder problems = ImmutableArray.CreateRange(warnings ?? []).ToBuilder();
    private int left = head.Checkpoints.Length;
    private Checkpoint? whole;

    /// <summary>Which checkpoint is to be read; <see langword="null"/> when one was whole or none is left.</summary>
    public CheckpointId? Next => whole is null && left > 0 ? head.Checkpoints[left - 1] : null;

    /// <summary>The next one is whole: it counts.</summary>
    public void Take(Checkpoint checkpoint) => whole = checkpoint;

    /// <summary>The next one is not, and the one before is the next.</summary>
    /// <param name="problem">Which, and what is wrong with it.</param>
    public void Skip(string problem)
    {
        Warn(problem);
        left--;
    }

    /// <summary>Something is damaged that another record has whole. Several checkpoints may name it; once is
    /// enough.</summary>
    public void Warn(string problem)
    {
        if (!problems.Contains(problem))
            problems.Add(problem);
    }

    /// <summary>The answer to whoever asked for the lead.</summary>
    public LeadershipGranted Answer(MessageKey request) =>
        new(
            request with
            {
                Term = head.Term,
                From = ActorId.Store,
            },
            whole is null ? null : head.Checkpoints[left - 1],
            whole,
            problems.ToImmutable()
        );
}
