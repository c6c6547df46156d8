namespace BackpropCluster.Core.Learning;

/// <summary>What a random number is for: part of its address, so that a new consumer of randomness moves no
/// other.</summary>
public enum RandomPurpose : uint
{
    Weights = 1,
    Order = 2,
    Split = 3,
    Trace = 4,
    Simulation = 5,
    Data = 6,
}

/// <summary>Random numbers that are looked up, not drawn: a pure function of (seed, purpose, group, index).</summary>
/// <remarks>Philox4x32-10 of J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
/// 2011, with the seed as key and the address as counter; tested against the vectors published with Random123. Any part
/// of a model can make its own numbers, in any order, twice, or on two machines.</remarks>
public readonly record struct CounterRandom(ulong Seed, RandomPurpose Purpose, uint Group)
{
    /// <summary>64 bits.</summary>
    public ulong Bits(ulong index)
    {
        var (x0, x1, _, _) = Philox(
            (uint)index,
            (uint)(index >> 32),
            Group,
            (uint)Purpose,
            (uint)Seed,
            (uint)(Seed >> 32)
        );
        return x0 | ((ulong)x1 << 32);
    }

    /// <summary>A number in (0, 1), never 0 or 1: the middle of one of 2⁵² equal intervals.</summary>
    public double Unit(ulong index) => ((Bits(index) >> 12) + 0.5) * (1.0 / (1L << 52));

    /// <summary>A standard normal number, by inverting its distribution at <see cref="Unit"/>.</summary>
    public double Normal(ulong index) => NormalDistribution.Quantile(Unit(index));

    /// <summary>A whole number in [0, <paramref name="count"/>). The odds differ by less than count/2⁶⁴.</summary>
    public int Below(int count, ulong index) => (int)Math.BigMul(Bits(index), (ulong)count, out _);

    /// <summary>The numbers 0 … count − 1 in random order (Fisher–Yates, from the end).</summary>
    public int[] Permutation(int count)
    {
        var order = new int[count];
        for (var i = 0; i < count; i++)
            order[i] = i;
        for (var i = count - 1; i > 0; i--)
        {
            var j = Below(i + 1, (ulong)i);
            (order[i], order[j]) = (order[j], order[i]);
        }

        return order;
    }

    /// <summary>The bare function: four counter words and two key words in, four words out.</summary>
    public static (uint X0, uint X1, uint X2, uint X3) Philox(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1)
    {
        for (var round = 0; round < 10; round++)
        {
            var p0 = 0xD2511F53UL * c0;
            var p1 = 0xCD9E8D57UL * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }

        return (c0, c1, c2, c3);
    }
}
