using System.Runtime.CompilerServices;
using BackpropCluster.Core.Learning.Vectors;

namespace BackpropCluster.Core.Learning;

/// <summary>exp, tanh, logistic, log, sine and cosine whose bits depend on the argument alone: not on the length, the
/// processor or the C library.</summary>
/// <remarks>Only +, −, ·, ÷ and fused multiply-adds, each rounded once as IEEE 754 says. <c>Math.Exp</c> is the C
/// library's and picks its variant by processor, so a run would end in other bits on another machine. Scalars and
/// vectors of every width go through the same lines: a value cannot depend on whether it fell into a vector or its
/// tail. Errors stay below 2 ulp (tests compare with 40-digit values).</remarks>
public static class PortableMath
{
    // ln 2 in two parts: the first has 32 trailing zero bits, so n·Ln2High is exact for every n that occurs (W. J.
    // Cody, W. Waite, 1980).
    private const double Ln2High = 6.93147180369123816490e-01;
    private const double Ln2Low = 1.90821492927058770002e-10;

    // Adding it pushes the integer part of a double into the low bits; what is left after subtracting it is the rounded
    // value.
    private const double RoundingShift = 6755399441055744.0; // 1.5 · 2^52

    public static double Exp(double x) => Exp<Lanes64, double>(x);

    public static double Logistic(double x) => Logistic<Lanes64, double>(x);

    public static double Tanh(double x) => Tanh<Lanes64, double>(x);

    /// <summary>1/(1 + e⁻ˣ), from t = e^(−|x|): 1/(1 + t), or t/(1 + t) below 0, where 1 + e⁻ˣ would overflow before
    /// the result is 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Logistic<L, V>(V x)
        where L : struct, ILanes<V>
        where V : struct
    {
        var t = Exp<L, V>(L.Negate(L.Abs(x)));
        return L.Divide(L.IfLess(x, L.Create(0), t, L.Create(1)), L.Add(L.Create(1), t));
    }

    /// <summary>eˣ; 0 below −745.2, ∞ above 709.8, NaN for NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Exp<L, V>(V x)
        where L : struct, ILanes<V>
        where V : struct
    {
        var (p, n) = Expm1OfRemainder<L, V>(L.Min(L.Max(x, L.Create(-746)), L.Create(710)));

        // 2ⁿ as two factors: one alone would overflow at n = 1024 and underflow below −1022 although the product is a
        // number. Only the last product can be rounded, so it does not matter how n is split.
        var half = L.Subtract(L.Fma(n, L.Create(0.5), L.Create(RoundingShift)), L.Create(RoundingShift));
        var y = L.Multiply(
            L.Multiply(L.Add(L.Create(1), p), PowerOfTwo<L, V>(half)),
            PowerOfTwo<L, V>(L.Subtract(n, half))
        );
        return L.IfNaN(x, x, y);
    }

    /// <summary>tanh x = −m/(2 + m) with m = e^(−2|x|) − 1, which loses no digits near 0; sign and NaN of x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Tanh<L, V>(V x)
        where L : struct, ILanes<V>
        where V : struct
    {
        // Beyond 22 the result rounds to 1; the clamp keeps 2ⁿ within the normal numbers.
        var magnitude = L.Min(L.Abs(x), L.Create(22));
        var (p, n) = Expm1OfRemainder<L, V>(L.Multiply(magnitude, L.Create(-2)));
        var scale = PowerOfTwo<L, V>(n);
        var m = L.Fma(scale, p, L.Subtract(scale, L.Create(1)));
        var y = L.Divide(L.Negate(m), L.Add(L.Create(2), m));
        return L.IfNaN(x, x, L.CopySign(y, x));
    }

    /// <summary>ln x for normal positive x; −∞ for 0, NaN below 0, and x itself for ∞ and NaN.</summary>
    public static double Log(double x)
    {
        if (x == 0)
            return double.NegativeInfinity;
        if (x < 0)
            return double.NaN;
        if (!double.IsFinite(x))
            return x;

        var e = Math.ILogB(x);
        var m = Math.ScaleB(x, -e);
        if (m > 1.4142135623730951)
        {
            m *= 0.5;
            e++;
        }

        // ln m = 2·artanh f, f = (m − 1)/(m + 1), |f| ≤ 0.1716: the series' term after f²¹/21 is below 2⁻⁵⁶ of the sum.
        var f = (m - 1) / (m + 1);
        var s = f * f;
        var series = 1.0 / 23;
        for (var k = 21; k >= 3; k -= 2)
            series = Math.FusedMultiplyAdd(series, s, 1.0 / k);
        var tail = Math.FusedMultiplyAdd(2 * f * s, series, e * Ln2Low);
        return Math.FusedMultiplyAdd(e, Ln2High, 2 * f) + tail;
    }

    /// <summary>cos πu, for the half-turns u of any size. Exact reduction: a cosine in turns has no π to be
    /// subtracted.</summary>
    public static double CosPi(double u)
    {
        var a = Math.Abs(Math.IEEERemainder(u, 2));
        return a <= 0.25 ? CosOfSmall(a)
            : a <= 0.75 ? SinOfSmall(0.5 - a)
            : -CosOfSmall(1 - a);
    }

    /// <summary>sin πu.</summary>
    public static double SinPi(double u)
    {
        var r = Math.IEEERemainder(u, 2);
        var a = Math.Abs(r);
        var sine =
            a <= 0.25 ? SinOfSmall(a)
            : a <= 0.75 ? CosOfSmall(0.5 - a)
            : SinOfSmall(1 - a);
        return r < 0 ? -sine : sine;
    }

    // Taylor's series in (πa)² for |a| ≤ ¼: what is left out is below 2⁻⁵⁸ of the sum.
    private static double CosOfSmall(double a)
    {
        var s = Math.PI * a * (Math.PI * a);
        var q = 1.0 / 20922789888000.0;
        q = Math.FusedMultiplyAdd(q, s, -1.0 / 87178291200.0);
        q = Math.FusedMultiplyAdd(q, s, 1.0 / 479001600.0);
        q = Math.FusedMultiplyAdd(q, s, -1.0 / 3628800.0);
        q = Math.FusedMultiplyAdd(q, s, 1.0 / 40320.0);
        q = Math.FusedMultiplyAdd(q, s, -1.0 / 720.0);
        q = Math.FusedMultiplyAdd(q, s, 1.0 / 24.0);
        q = Math.FusedMultiplyAdd(q, s, -0.5);
        return Math.FusedMultiplyAdd(q, s, 1.0);
    }

    private static double SinOfSmall(double a)
    {
        var x = Math.PI * a;
        var s = x * x;
        var q = -1.0 / 1307674368000.0;
        q = Math.FusedMultiplyAdd(q, s, 1.0 / 6227020800.0);
        q = Math.FusedMultiplyAdd(q, s, -1.0 / 39916800.0);
        q = Math.FusedMultiplyAdd(q, s, 1.0 / 362880.0);
        q = Math.FusedMultiplyAdd(q, s, -1.0 / 5040.0);
        q = Math.FusedMultiplyAdd(q, s, 1.0 / 120.0);
        q = Math.FusedMultiplyAdd(q, s, -1.0 / 6.0);
        return Math.FusedMultiplyAdd(q * s, x, x);
    }

    /// <summary>x = n·ln 2 + r with |r| ≤ ln 2 / 2; returns e^r − 1 and n.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (V P, V N) Expm1OfRemainder<L, V>(V x)
        where L : struct, ILanes<V>
        where V : struct
    {
        var shift = L.Create(RoundingShift);
        var n = L.Subtract(L.Fma(x, L.Create(1.4426950408889634), shift), shift);
        var r = L.Fma(n, L.Create(-Ln2High), x);
        r = L.Fma(n, L.Create(-Ln2Low), r);

        // Taylor's series to r¹³/13!: the next term is below 2⁻⁵⁷ of the sum for |r| ≤ 0.347.
        var q = L.Create(1.0 / 6227020800.0);
        q = L.Fma(q, r, L.Create(1.0 / 479001600.0));
        q = L.Fma(q, r, L.Create(1.0 / 39916800.0));
        q = L.Fma(q, r, L.Create(1.0 / 3628800.0));
        q = L.Fma(q, r, L.Create(1.0 / 362880.0));
        q = L.Fma(q, r, L.Create(1.0 / 40320.0));
        q = L.Fma(q, r, L.Create(1.0 / 5040.0));
        q = L.Fma(q, r, L.Create(1.0 / 720.0));
        q = L.Fma(q, r, L.Create(1.0 / 120.0));
        q = L.Fma(q, r, L.Create(1.0 / 24.0));
        q = L.Fma(q, r, L.Create(1.0 / 6.0));
        q = L.Fma(q, r, L.Create(0.5));
        return (L.Fma(q, L.Multiply(r, r), r), n);
    }

    // Adding 2⁵² + 1023 to an integer n leaves n + 1023 in the lowest bits, which is the exponent of 2ⁿ.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V PowerOfTwo<L, V>(V n)
        where L : struct, ILanes<V>
        where V : struct => L.LowBitsAsExponent(L.Add(n, L.Create(4503599627371519)));
}
