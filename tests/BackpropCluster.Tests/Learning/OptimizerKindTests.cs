using BackpropCluster.Core.Learning;

namespace BackpropCluster.Tests.Learning;

/// <summary>A kind that nobody has written a rule for trains nothing, rather than as another one.</summary>
public sealed class OptimizerKindTests
{
    private static readonly OptimizerSpec Unknown = new() { Kind = (OptimizerKind)99, LearningRate = 0.1 };

    [Fact]
    public void AnUnknownKindHasNoState() => Assert.Throws<InvalidOperationException>(() => Unknown.StateSize);

    [Fact]
    public void AnUnknownKindHasNoStep() =>
        Assert.Throws<InvalidOperationException>(() => new OptimizerStep(Unknown, 1).Apply(1, 1, new double[2]));
}
