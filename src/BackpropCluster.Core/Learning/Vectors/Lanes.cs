using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace BackpropCluster.Core.Learning.Vectors;

/// <summary>A register of some doubles: what arithmetic needs of it, each operation rounded once in each lane as IEEE
/// 754 says.</summary>
/// <remarks>Loops are written once, over the type of the register itself and not over a type that wraps it: the
/// compiler would copy a wrapper after each multiply-add, which on some processors costs as much as the
/// multiply-add.</remarks>
/// <typeparam name="V">The register.</typeparam>
internal interface ILanes<V>
    where V : struct
{
    /// <summary>Doubles in a register.</summary>
    static abstract int Count { get; }

    /// <summary>Rows of a product's tile, 4 or 8, by the number of registers: of 32, eight rows of three hold 24 sums;
    /// of 16, four rows hold twelve. Three registers of B and one of A are left in both. One row more, and sums would
    /// live in memory.</summary>
    static abstract int TileRows { get; }

    static abstract V Create(double x);

    static abstract V Load(ref double from, nint at);

    static abstract void Store(V value, ref double to, nint at);

    static abstract V Add(V x, V y);

    static abstract V Subtract(V x, V y);

    static abstract V Multiply(V x, V y);

    static abstract V Divide(V x, V y);

    static abstract V Negate(V x);

    /// <summary>a·b + c, rounded once.</summary>
    static abstract V Fma(V a, V b, V c);

    static abstract V Abs(V x);

    static abstract V Min(V x, V y);

    static abstract V Max(V x, V y);

    static abstract V CopySign(V value, V sign);

    /// <summary>In each lane <paramref name="then"/> where x &lt; y, else <paramref name="otherwise"/>; a NaN is not
    /// less.</summary>
    static abstract V IfLess(V x, V y, V then, V otherwise);

    /// <summary>In each lane <paramref name="then"/> where x is a NaN, else <paramref name="otherwise"/>.</summary>
    static abstract V IfNaN(V x, V then, V otherwise);

    /// <summary>The lowest twelve bits of each lane, moved to where a double has sign and exponent.</summary>
    static abstract V LowBitsAsExponent(V x);

    /// <summary>Whether each lane is 0; a NaN is not.</summary>
    static abstract bool IsZero(V x);
}

/// <summary>512 bits: AVX-512, thirty-two registers.</summary>
internal readonly struct Lanes512 : ILanes<Vector512<double>>
{
    public static int Count => 8;
    public static int TileRows => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Create(double x) => Vector512.Create(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Load(ref double from, nint at) => Vector512.LoadUnsafe(ref from, (nuint)at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<double> value, ref double to, nint at) => value.StoreUnsafe(ref to, (nuint)at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Add(Vector512<double> x, Vector512<double> y) => x + y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Subtract(Vector512<double> x, Vector512<double> y) => x - y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Multiply(Vector512<double> x, Vector512<double> y) => x * y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Divide(Vector512<double> x, Vector512<double> y) => x / y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Negate(Vector512<double> x) => -x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Fma(Vector512<double> a, Vector512<double> b, Vector512<double> c) =>
        Vector512.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Abs(Vector512<double> x) => Vector512.Abs(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Min(Vector512<double> x, Vector512<double> y) => Vector512.Min(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Max(Vector512<double> x, Vector512<double> y) => Vector512.Max(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> CopySign(Vector512<double> value, Vector512<double> sign) =>
        Vector512.CopySign(value, sign);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> IfLess(
        Vector512<double> x,
        Vector512<double> y,
        Vector512<double> then,
        Vector512<double> otherwise
    ) => Vector512.ConditionalSelect(Vector512.LessThan(x, y), then, otherwise);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> IfNaN(Vector512<double> x, Vector512<double> then, Vector512<double> otherwise) =>
        Vector512.ConditionalSelect(Vector512.Equals(x, x), otherwise, then);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> LowBitsAsExponent(Vector512<double> x) =>
        Vector512.ShiftLeft(x.AsInt64(), 52).AsDouble();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsZero(Vector512<double> x) => x == Vector512<double>.Zero;
}

/// <summary>256 bits: AVX2 with fused multiply-adds, sixteen registers.</summary>
internal readonly struct Lanes256 : ILanes<Vector256<double>>
{
    public static int Count => 4;
    public static int TileRows => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Create(double x) => Vector256.Create(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Load(ref double from, nint at) => Vector256.LoadUnsafe(ref from, (nuint)at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<double> value, ref double to, nint at) => value.StoreUnsafe(ref to, (nuint)at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Add(Vector256<double> x, Vector256<double> y) => x + y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Subtract(Vector256<double> x, Vector256<double> y) => x - y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Multiply(Vector256<double> x, Vector256<double> y) => x * y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Divide(Vector256<double> x, Vector256<double> y) => x / y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Negate(Vector256<double> x) => -x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Fma(Vector256<double> a, Vector256<double> b, Vector256<double> c) =>
        Vector256.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Abs(Vector256<double> x) => Vector256.Abs(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Min(Vector256<double> x, Vector256<double> y) => Vector256.Min(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Max(Vector256<double> x, Vector256<double> y) => Vector256.Max(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> CopySign(Vector256<double> value, Vector256<double> sign) =>
        Vector256.CopySign(value, sign);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> IfLess(
        Vector256<double> x,
        Vector256<double> y,
        Vector256<double> then,
        Vector256<double> otherwise
    ) => Vector256.ConditionalSelect(Vector256.LessThan(x, y), then, otherwise);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> IfNaN(Vector256<double> x, Vector256<double> then, Vector256<double> otherwise) =>
        Vector256.ConditionalSelect(Vector256.Equals(x, x), otherwise, then);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> LowBitsAsExponent(Vector256<double> x) =>
        Vector256.ShiftLeft(x.AsInt64(), 52).AsDouble();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsZero(Vector256<double> x) => x == Vector256<double>.Zero;
}

/// <summary>128 bits: every x64 processor has sixteen such registers, every Arm64 one thirty-two.</summary>
internal readonly struct Lanes128 : ILanes<Vector128<double>>
{
    public static int Count => 2;
    public static int TileRows => AdvSimd.IsSupported ? 8 : 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> Create(double x) => Vector128.Create(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> Load(ref double from, nint at) => Vector128.LoadUnsafe(ref from, (nuint)at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<double> value, ref double to, nint at) => value.StoreUnsafe(ref to, (nuint)at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> Add(Vector128<double> x, Vector128<double> y) => x + y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> Subtract(Vector128<double> x, Vector128<double> y) => x - y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> Multiply(Vector128<double> x, Vector128<double> y) => x * y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> Divide(Vector128<double> x, Vector128<double> y) => x / y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> Negate(Vector128<double> x) => -x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> Fma(Vector128<double> a, Vector128<double> b, Vector128<double> c) =>
        Vector128.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> Abs(Vector128<double> x) => Vector128.Abs(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> Min(Vector128<double> x, Vector128<double> y) => Vector128.Min(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> Max(Vector128<double> x, Vector128<double> y) => Vector128.Max(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> CopySign(Vector128<double> value, Vector128<double> sign) =>
        Vector128.CopySign(value, sign);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> IfLess(
        Vector128<double> x,
        Vector128<double> y,
        Vector128<double> then,
        Vector128<double> otherwise
    ) => Vector128.ConditionalSelect(Vector128.LessThan(x, y), then, otherwise);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> IfNaN(Vector128<double> x, Vector128<double> then, Vector128<double> otherwise) =>
        Vector128.ConditionalSelect(Vector128.Equals(x, x), otherwise, then);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> LowBitsAsExponent(Vector128<double> x) =>
        Vector128.ShiftLeft(x.AsInt64(), 52).AsDouble();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsZero(Vector128<double> x) => x == Vector128<double>.Zero;
}

/// <summary>One double: for processors without fused multiply-adds, where each is emulated and nothing could be gained
/// by lanes.</summary>
internal readonly struct Lanes64 : ILanes<double>
{
    public static int Count => 1;
    public static int TileRows => 4;

    public static double Create(double x) => x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Load(ref double from, nint at) => Unsafe.Add(ref from, at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(double value, ref double to, nint at) => Unsafe.Add(ref to, at) = value;

    public static double Add(double x, double y) => x + y;

    public static double Subtract(double x, double y) => x - y;

    public static double Multiply(double x, double y) => x * y;

    public static double Divide(double x, double y) => x / y;

    public static double Negate(double x) => -x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Fma(double a, double b, double c) => Math.FusedMultiplyAdd(a, b, c);

    public static double Abs(double x) => Math.Abs(x);

    public static double Min(double x, double y) => Math.Min(x, y);

    public static double Max(double x, double y) => Math.Max(x, y);

    public static double CopySign(double value, double sign) => Math.CopySign(value, sign);

    public static double IfLess(double x, double y, double then, double otherwise) => x < y ? then : otherwise;

    public static double IfNaN(double x, double then, double otherwise) => double.IsNaN(x) ? then : otherwise;

    public static double LowBitsAsExponent(double x) =>
        BitConverter.Int64BitsToDouble(BitConverter.DoubleToInt64Bits(x) << 52);

    public static bool IsZero(double x) => x == 0;
}
