using System.Diagnostics.CodeAnalysis;

namespace BackpropCluster.Core.Protocol;

/// <summary>What must hold whatever happens outside; asserted in production too. A violation ends the run as a bug of
/// ours.</summary>
public static class Invariants
{
    /// <summary>All inputs of one sum are of the same term and step.</summary>
    public static void OneStepPerSum(MessageKey key, int term, int version)
    {
        if (key.Term != term || key.CommittedVersion != version)
            throw new InvariantViolationException(
                $"a sum of term {term}, version {version} was offered a message of {key}"
            );
    }

    /// <summary>A version grows by exactly one: an update takes effect once and none is left out.</summary>
    public static void VersionGrowsByOne(int before, int after)
    {
        if (after != before + 1)
            throw new InvariantViolationException($"version {before} would be followed by {after}");
    }

    /// <summary>Nothing is applied before it is complete.</summary>
    public static void CompleteBeforeUpdate(bool complete, int step)
    {
        if (!complete)
            throw new InvariantViolationException($"step {step} would be applied before its gradients are complete");
    }
}

/// <summary>A bug of ours: a rule of the protocol did not hold.</summary>
[SuppressMessage("Design", "CA1064", Justification = "public: tests and shells catch it by name")]
public sealed class InvariantViolationException(string fact) : Exception($"invariant violated: {fact}");
