using BackpropCluster.Core.Learning;

namespace BackpropCluster.Tests.Learning;

/// <summary>A kind that nobody has written a rule for trains nothing, rather than as another one.</summary>
public sealed class OptimizerKindTests
{
    [Fact]
    public void EachKindHasARuleOfItsOwn() =>
        Assert.All(Enum.GetValues<OptimizerKind>(), kind => Assert.Equal(kind, OptimizerSpec.Defaults(kind, 0.1).Kind));

    [Fact]
    public void AnUnknownKindHasNone() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => OptimizerSpec.Defaults((OptimizerKind)99, 0.1));
}
