using BackpropCluster.Core.Learning;
using CsCheck;

namespace BackpropCluster.Tests.Learning;

public class CounterRandomTests
{
    private static readonly CounterRandom Random = new(12345, RandomPurpose.Weights, 1);

    // Random123 1.14, tests/kat_vectors, philox4x32 with 10 rounds: counter, key, result.
    [Theory]
    [InlineData(0u, 0u, 0u, 0u, 0u, 0u, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(
        0x243f6a88u,
        0x85a308d3u,
        0x13198a2eu,
        0x03707344u,
        0xa4093822u,
        0x299f31d0u,
        0xd16cfe09u,
        0x94fdccebu,
        0x5001e420u,
        0x24126ea1u
    )]
    public void PhiloxAnswersAsPublished(
        uint c0,
        uint c1,
        uint c2,
        uint c3,
        uint k0,
        uint k1,
        uint x0,
        uint x1,
        uint x2,
        uint x3
    ) => Assert.Equal((x0, x1, x2, x3), CounterRandom.Philox(c0, c1, c2, c3, k0, k1));

    [Fact]
    public void TheAddressIsTheCounterAndTheSeedIsTheKey()
    {
        var (x0, x1, _, _) = CounterRandom.Philox(
            0x243f6a88,
            0x85a308d3,
            9,
            (uint)RandomPurpose.Order,
            0xa4093822,
            0x299f31d0
        );
        var random = new CounterRandom(0x299f31d0_a4093822, RandomPurpose.Order, 9);
        Assert.Equal(((ulong)x1 << 32) | x0, random.Bits(0x85a308d3_243f6a88));
    }

    [Fact]
    public void AnotherSeedPurposeGroupOrIndexIsAnotherNumber()
    {
        CounterRandom[] others =
        [
            Random,
            Random with
            {
                Seed = 12346,
            },
            Random with
            {
                Seed = 12345 | (1UL << 40),
            },
            Random with
            {
                Purpose = RandomPurpose.Split,
            },
            Random with
            {
                Group = 2,
            },
        ];
        ulong[] indices = [0, 1, 1UL << 32];
        Assert.Equal(others.Length * indices.Length, others.SelectMany(r => indices.Select(r.Bits)).Distinct().Count());
    }

    // 100,000 uniform numbers: the mean's standard deviation is 0.00091, a bucket of twenty's is 69; five of them are
    // allowed.
    [Fact]
    public void UnitIsUniform()
    {
        var numbers = Enumerable.Range(0, 100_000).Select(i => Random.Unit((ulong)i)).ToArray();
        Assert.All(numbers, u => Assert.InRange(u, double.Epsilon, 1 - 1e-16));
        Assert.Equal(0.5, numbers.Average(), 0.0046);
        Assert.All(numbers.CountBy(u => (int)(u * 20)), bucket => Assert.InRange(bucket.Value, 5000 - 345, 5000 + 345));
    }

    // 100,000 standard normal numbers: five standard deviations of each moment's estimate are √(1, 2, 15, 96) ·
    // 5/√100,000.
    [Fact]
    public void NormalHasTheMomentsOfTheNormalDistribution()
    {
        var numbers = Enumerable.Range(0, 100_000).Select(i => Random.Normal((ulong)i)).ToArray();
        Assert.Equal(0, numbers.Average(), 0.016);
        Assert.Equal(1, numbers.Average(x => x * x), 0.023);
        Assert.Equal(0, numbers.Average(x => x * x * x), 0.062);
        Assert.Equal(3, numbers.Average(x => x * x * x * x), 0.155);
    }

    [Fact]
    public void APermutationHoldsEachNumberOnce() =>
        Gen.Select(Gen.Int[0, 200], Gen.ULong)
            .Sample(
                (count, seed) =>
                    new CounterRandom(seed, RandomPurpose.Order, 1)
                        .Permutation(count)
                        .Order()
                        .SequenceEqual(Enumerable.Range(0, count))
            );

    // 24,000 permutations of four: each of the 24 orders about 1,000 times, standard deviation 31.
    [Fact]
    public void EveryPermutationIsAsLikely()
    {
        var orders = Enumerable
            .Range(0, 24_000)
            .CountBy(group => string.Concat(new CounterRandom(7, RandomPurpose.Order, (uint)group).Permutation(4)))
            .ToArray();
        Assert.Equal(24, orders.Length);
        Assert.All(orders, order => Assert.InRange(order.Value, 845, 1155));
    }

    [Fact]
    public void BelowStaysBelow() =>
        Gen.Select(Gen.Int[1, int.MaxValue], Gen.ULong)
            .Sample((count, index) => Random.Below(count, index) is var n && n >= 0 && n < count);
}
