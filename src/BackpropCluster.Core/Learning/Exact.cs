using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace BackpropCluster.Core.Learning;

/// <summary>exp, tanh, logistic, log, sine and cosine whose bits depend on the argument alone: not on the length, the processor or the C library.</summary>
/// <remarks>Only +, −, ·, ÷ and fused multiply-adds, each rounded once as IEEE 754 says. <c>Math.Exp</c> is the C library's and picks
/// its variant by processor, so a run would end in other bits on another machine. The scalar forms are lane 0 of the vector
/// forms: a value cannot depend on whether it fell into a vector or its tail. Errors stay below 2 ulp (tests compare with 40-digit values).</remarks>
public static class Exact
{
    // ln 2 in two parts: the first has 32 trailing zero bits, so n·Ln2High is exact for every n that occurs (W. J. Cody, W. Waite, 1980).
    private const double Ln2High = 6.93147180369123816490e-01;
    private const double Ln2Low = 1.90821492927058770002e-10;

    // Adding it pushes the integer part of a double into the low bits; what is left after subtracting it is the rounded value.
    private const double RoundingShift = 6755399441055744.0; // 1.5 · 2^52

    /// <summary>Whether no value is NaN or infinite.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool AreFinite(ReadOnlySpan<double> values)
    {
        // x − x is 0 for every finite x and NaN for the others.
        var poison = Vector512<double>.Zero;
        var i = 0;
        for (; i + Vector512<double>.Count <= values.Length; i += Vector512<double>.Count)
        {
            var x = Vector512.Create(values[i..]);
            poison += x - x;
        }

        if (poison != Vector512<double>.Zero) return false;
        for (; i < values.Length; i++)
            if (!double.IsFinite(values[i])) return false;
        return true;
    }

    public static double Exp(double x) => Exp(Vector512.CreateScalar(x)).ToScalar();

    public static double Logistic(double x) => Logistic(Vector512.CreateScalar(x)).ToScalar();

    public static double Tanh(double x) => Tanh(Vector512.CreateScalar(x)).ToScalar();

    /// <summary>1/(1 + e⁻ˣ), from t = e^(−|x|): 1/(1 + t), or t/(1 + t) below 0, where 1 + e⁻ˣ would overflow before the result is 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Logistic(Vector512<double> x)
    {
        var t = Exp(-Vector512.Abs(x));
        var numerator = Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512<double>.Zero), t, Vector512<double>.One);
        return numerator / (Vector512<double>.One + t);
    }

    /// <summary>eˣ; 0 below −745.2, ∞ above 709.8, NaN for NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Exp(Vector512<double> x)
    {
        var clamped = Vector512.Min(Vector512.Max(x, Vector512.Create(-746.0)), Vector512.Create(710.0));
        var (p, n) = Expm1OfRemainder(clamped);

        // 2ⁿ as two factors: one alone would overflow at n = 1024 and underflow below −1022 although the product is a number.
        var half = Vector512.ShiftRightArithmetic(n, 1);
        var y = (Vector512<double>.One + p) * PowerOfTwo(half) * PowerOfTwo(n - half);
        return Vector512.ConditionalSelect(Vector512.Equals(x, x), y, x);
    }

    /// <summary>tanh x = −m/(2 + m) with m = e^(−2|x|) − 1, which loses no digits near 0; sign and NaN of x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Tanh(Vector512<double> x)
    {
        // Beyond 22 the result rounds to 1; the clamp keeps 2ⁿ within the normal numbers.
        var magnitude = Vector512.Min(Vector512.Abs(x), Vector512.Create(22.0));
        var (p, n) = Expm1OfRemainder(magnitude * Vector512.Create(-2.0));
        var scale = PowerOfTwo(n);
        var m = Vector512.FusedMultiplyAdd(scale, p, scale - Vector512<double>.One);
        var y = -m / (Vector512.Create(2.0) + m);
        return Vector512.ConditionalSelect(Vector512.Equals(x, x), Vector512.CopySign(y, x), x);
    }

    /// <summary>ln x for normal positive x; −∞ for 0, NaN below 0, and x itself for ∞ and NaN.</summary>
    public static double Log(double x)
    {
        if (x == 0) return double.NegativeInfinity;
        if (x < 0) return double.NaN;
        if (!double.IsFinite(x)) return x;

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

    /// <summary>cos πu, for the half-turns u of any size. Exact reduction: a cosine in turns has no π to be subtracted.</summary>
    public static double CosPi(double u)
    {
        var a = Math.Abs(Math.IEEERemainder(u, 2));
        return a <= 0.25 ? CosOfSmall(a) : a <= 0.75 ? SinOfSmall(0.5 - a) : -CosOfSmall(1 - a);
    }

    /// <summary>sin πu.</summary>
    public static double SinPi(double u)
    {
        var r = Math.IEEERemainder(u, 2);
        var a = Math.Abs(r);
        var sine = a <= 0.25 ? SinOfSmall(a) : a <= 0.75 ? CosOfSmall(0.5 - a) : SinOfSmall(1 - a);
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
    private static (Vector512<double> P, Vector512<long> N) Expm1OfRemainder(Vector512<double> x)
    {
        var shift = Vector512.Create(RoundingShift);
        var shifted = Vector512.FusedMultiplyAdd(x, Vector512.Create(1.4426950408889634), shift);
        var n = shifted - shift;
        var r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2High), x);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2Low), r);

        // Taylor's series to r¹³/13!: the next term is below 2⁻⁵⁷ of the sum for |r| ≤ 0.347.
        var q = Vector512.Create(1.0 / 6227020800.0);
        q = Vector512.FusedMultiplyAdd(q, r, Vector512.Create(1.0 / 479001600.0));
        q = Vector512.FusedMultiplyAdd(q, r, Vector512.Create(1.0 / 39916800.0));
        q = Vector512.FusedMultiplyAdd(q, r, Vector512.Create(1.0 / 3628800.0));
        q = Vector512.FusedMultiplyAdd(q, r, Vector512.Create(1.0 / 362880.0));
        q = Vector512.FusedMultiplyAdd(q, r, Vector512.Create(1.0 / 40320.0));
        q = Vector512.FusedMultiplyAdd(q, r, Vector512.Create(1.0 / 5040.0));
        q = Vector512.FusedMultiplyAdd(q, r, Vector512.Create(1.0 / 720.0));
        q = Vector512.FusedMultiplyAdd(q, r, Vector512.Create(1.0 / 120.0));
        q = Vector512.FusedMultiplyAdd(q, r, Vector512.Create(1.0 / 24.0));
        q = Vector512.FusedMultiplyAdd(q, r, Vector512.Create(1.0 / 6.0));
        q = Vector512.FusedMultiplyAdd(q, r, Vector512.Create(0.5));
        return (Vector512.FusedMultiplyAdd(q, r * r, r), shifted.AsInt64() - shift.AsInt64());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> PowerOfTwo(Vector512<long> n) =>
        Vector512.ShiftLeft(n + Vector512.Create(1023L), 52).AsDouble();
}
