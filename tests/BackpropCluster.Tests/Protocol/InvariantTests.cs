using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>The invariants can fail.</summary>
public class InvariantTests
{
    private static readonly MessageKey Key = new(42, 3, 5, Phase.Forward, 0, PartId.Source, default);

    [Fact]
    public void ASumTakesOneTermAndOneStep()
    {
        Invariants.OneStepPerSum(Key, term: 3, version: 4);
        Invariants.OneStepPerSum(Key with { Phase = Phase.Evaluate }, term: 3, version: 5);
        Assert.Throws<InvariantViolationException>(() => Invariants.OneStepPerSum(Key, term: 2, version: 4));
        Assert.Throws<InvariantViolationException>(() => Invariants.OneStepPerSum(Key, term: 3, version: 5));
    }

    [Fact]
    public void AVersionGrowsByExactlyOne()
    {
        Invariants.VersionGrowsByOne(4, 5);
        Assert.Throws<InvariantViolationException>(() => Invariants.VersionGrowsByOne(4, 6));
        Assert.Throws<InvariantViolationException>(() => Invariants.VersionGrowsByOne(4, 4));
    }

    [Fact]
    public void NothingIncompleteIsApplied()
    {
        Invariants.CompleteBeforeUpdate(complete: true, 1);
        Assert.Throws<InvariantViolationException>(() => Invariants.CompleteBeforeUpdate(complete: false, 1));
    }
}
