using BackpropCluster.Cli.CommandLine;

namespace BackpropCluster.Tests;

public class VectorBitsTests
{
    [Theory]
    [InlineData("96")]
    [InlineData("64")]
    [InlineData("-256")]
    [InlineData(" 256")]
    [InlineData("wide")]
    public void AWidthThatIsNoneIsRefusedByTheVariablesName(string value)
    {
        var refusal = VectorBits.Choose(value, _ => throw new InvalidOperationException("it was taken"));
        Assert.StartsWith(
            $"BACKPROP_VECTOR_BITS is '{value}', but 128, 256 or 512 was expected.",
            refusal,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void AWidthThatTheProcessorLacksIsRefusedByTheVariablesName() =>
        Assert.StartsWith(
            "BACKPROP_VECTOR_BITS is 512, but this processor has no such registers",
            VectorBits.Choose("512", _ => false),
            StringComparison.Ordinal
        );

    [Theory]
    [InlineData("128", 128)]
    [InlineData("512", 512)]
    [InlineData("", 0)]
    [InlineData(null, 0)]
    public void WhatIsAskedForIsTaken(string? value, int expected)
    {
        var taken = 0;
        Assert.Null(VectorBits.Choose(value, bits => (taken = bits) > 0));
        Assert.Equal(expected, taken);
    }
}
