using BackpropCluster.Core.Learning;

namespace BackpropCluster.Tests.Learning;

/// <summary>Normal(u) against Python 3.11's <c>statistics.NormalDist().inv_cdf((k + 0.5) * 2.0**-52)</c>, which is
/// algorithm AS 241 as well.</summary>
/// <remarks>The far tails are one address in 10¹¹. Philox is a bijection, so the address that holds a wanted number is
/// found by running it backward.</remarks>
public class NormalQuantileTests
{
    private const ulong Seed = 2024;

    [Theory]
    [InlineData(0, -8.209536151601386)]
    [InlineData(1, -8.076571004130123)]
    [InlineData(5, -7.916520712471188)]
    [InlineData(1000, -7.241328347810366)]
    [InlineData(1000000, -6.237686527011088)]
    [InlineData(1000000000, -5.0490170052759265)]
    [InlineData(45035996273, -4.26489079392384)]
    [InlineData(4503599627370, -3.090232306167813)]
    [InlineData(337769972052787, -1.4395314709384552)]
    [InlineData(450359962737049, -1.2815515655446008)]
    [InlineData(1125899906842624, -0.6744897501960814)]
    [InlineData(2251799813685247, -2.7829164246717676e-16)]
    [InlineData(2251799813685248, 2.7829164246717676e-16)]
    [InlineData(2251799813697593, 6.871298944157061e-12)]
    [InlineData(2702159776422297, 0.2533471031357998)]
    [InlineData(4165829655317708, 1.4395314709384552)]
    [InlineData(4165829655317709, 1.4395314709384568)]
    [InlineData(4499096027743125, 3.090232306167813)]
    [InlineData(4503599626370496, 6.237686683489502)]
    [InlineData(4503599627369496, 7.241463947182488)]
    [InlineData(4503599627370494, 8.076571004130123)]
    [InlineData(4503599627370495, 8.209536151601386)]
    public void EqualsPythonsInverse(long interval, double expected)
    {
        var (random, index) = AddressOf((ulong)interval << 12);
        Assert.Equal((interval + 0.5) * Math.ScaleB(1, -52), random.Unit(index));
        var normal = random.Normal(index);
        Assert.True(Math.Abs(normal - expected) <= 1e-14 * Math.Abs(expected), $"{normal:R} instead of {expected:R}");
    }

    /// <summary>The address whose 64 bits are <paramref name="bits"/>.</summary>
    private static (CounterRandom Random, ulong Index) AddressOf(ulong bits)
    {
        var (c0, c1, c2, c3) = ((uint)bits, (uint)(bits >> 32), 0u, 0u);
        for (var round = 9; round >= 0; round--)
        {
            var (k0, k1) = ((uint)Seed + (uint)round * 0x9E3779B9, (uint)(Seed >> 32) + (uint)round * 0xBB67AE85);
            var (before0, before2) = (c3 * Inverse(0xD2511F53), c1 * Inverse(0xCD9E8D57));
            var (p0, p1) = (0xD2511F53UL * before0, 0xCD9E8D57UL * before2);
            (c0, c1, c2, c3) = (before0, c0 ^ (uint)(p1 >> 32) ^ k0, before2, c2 ^ (uint)(p0 >> 32) ^ k1);
        }

        return (new CounterRandom(Seed, (RandomPurpose)c3, c2), c0 | ((ulong)c1 << 32));
    }

    // x·a = 1 modulo 2³² by Newton: each pass doubles the number of right bits, five pass 32.
    private static uint Inverse(uint a)
    {
        var x = a;
        for (var i = 0; i < 5; i++)
            x *= 2 - a * x;
        return x;
    }
}
