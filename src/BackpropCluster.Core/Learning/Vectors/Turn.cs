using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace BackpropCluster.Core.Learning.Vectors;

/// <summary>Turns rows into columns, in registers. The platform has no name of its own for it that fits every
/// processor.</summary>
internal static class Turn
{
    /// <summary>Four rows of four numbers into four columns.</summary>
    /// <param name="row0">The first row's four numbers.</param>
    /// <param name="row1">The second row's.</param>
    /// <param name="row2">The third row's.</param>
    /// <param name="row3">The fourth row's.</param>
    /// <param name="to">Where the first number of each row goes, side by side.</param>
    /// <param name="stride">Distance from there to the second numbers, and so on.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Four(
        ref double row0,
        ref double row1,
        ref double row2,
        ref double row3,
        ref double to,
        nint stride
    )
    {
        if (!Avx.IsSupported)
        {
            Two(ref row0, ref row1, ref to, stride);
            Two(ref row2, ref row3, ref Unsafe.Add(ref to, 2), stride);
            ref var right = ref Unsafe.Add(ref to, 2 * stride);
            Two(ref Unsafe.Add(ref row0, 2), ref Unsafe.Add(ref row1, 2), ref right, stride);
            Two(ref Unsafe.Add(ref row2, 2), ref Unsafe.Add(ref row3, 2), ref Unsafe.Add(ref right, 2), stride);
            return;
        }

        var (a, b) = (Vector256.LoadUnsafe(ref row0), Vector256.LoadUnsafe(ref row1));
        var (c, d) = (Vector256.LoadUnsafe(ref row2), Vector256.LoadUnsafe(ref row3));
        // Each half of a register is exchanged by itself: first and third column, second and fourth.
        var (evenAb, oddAb) = (Avx.UnpackLow(a, b), Avx.UnpackHigh(a, b));
        var (evenCd, oddCd) = (Avx.UnpackLow(c, d), Avx.UnpackHigh(c, d));
        Avx.Permute2x128(evenAb, evenCd, 0x20).StoreUnsafe(ref to);
        Avx.Permute2x128(oddAb, oddCd, 0x20).StoreUnsafe(ref Unsafe.Add(ref to, stride));
        Avx.Permute2x128(evenAb, evenCd, 0x31).StoreUnsafe(ref Unsafe.Add(ref to, 2 * stride));
        Avx.Permute2x128(oddAb, oddCd, 0x31).StoreUnsafe(ref Unsafe.Add(ref to, 3 * stride));
    }

    /// <summary>Two rows of two numbers into two columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Two(ref double row0, ref double row1, ref double to, nint stride)
    {
        var (a, b) = (Vector128.LoadUnsafe(ref row0), Vector128.LoadUnsafe(ref row1));
        Lows(a, b).StoreUnsafe(ref to);
        Highs(a, b).StoreUnsafe(ref Unsafe.Add(ref to, stride));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<double> Lows(Vector128<double> x, Vector128<double> y) =>
        Sse2.IsSupported ? Sse2.UnpackLow(x, y)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(x, y)
        : Vector128.Create(x[0], y[0]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<double> Highs(Vector128<double> x, Vector128<double> y) =>
        Sse2.IsSupported ? Sse2.UnpackHigh(x, y)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(x, y)
        : Vector128.Create(x[1], y[1]);
}
