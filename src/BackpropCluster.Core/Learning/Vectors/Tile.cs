using System.Runtime.CompilerServices;

namespace BackpropCluster.Core.Learning.Vectors;

/// <summary>A number that the compiler knows: what a tile of fewer rows or vectors does not need is left out of its
/// code.</summary>
internal interface INumber
{
    static abstract int Value { get; }
}

/// <summary>The sums of one block of C, all in registers: each is a chain of fused multiply-adds in the order of
/// k.</summary>
/// <typeparam name="L">Arithmetic of the register.</typeparam>
/// <typeparam name="V">The register.</typeparam>
/// <typeparam name="TRows">Rows of the block: 1, 4 or 8.</typeparam>
/// <typeparam name="TVectors">Registers to a row: 1, 2 or 3.</typeparam>
internal static class Tile<L, V, TRows, TVectors>
    where L : struct, ILanes<V>
    where V : struct
    where TRows : struct, INumber
    where TVectors : struct, INumber
{
    /// <summary>C += A·B for k columns of A and rows of B.</summary>
    /// <param name="a">The block's first row of A.</param>
    /// <param name="strideM">Distance of A's rows.</param>
    /// <param name="strideK">Distance of A's columns.</param>
    /// <param name="b">The block's first column of B; its columns lie side by side.</param>
    /// <param name="strideB">Distance of B's rows.</param>
    /// <param name="c">The block of C; its columns lie side by side.</param>
    /// <param name="strideC">Distance of C's rows.</param>
    /// <param name="k">How many.</param>
    /// <param name="start">What the sums of each row start from, side by side; a null reference: from C.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(
        ref double a,
        nint strideM,
        nint strideK,
        ref double b,
        nint strideB,
        ref double c,
        nint strideC,
        int k,
        ref double start
    )
    {
        // csharpier-ignore
        V c00, c01, c02, c10, c11, c12, c20, c21, c22, c30, c31, c32;
        // csharpier-ignore
        V c40, c41, c42, c50, c51, c52, c60, c61, c62, c70, c71, c72;
        c00 = c01 = c02 = c10 = c11 = c12 = c20 = c21 = c22 = c30 = c31 = c32 = default;
        c40 = c41 = c42 = c50 = c51 = c52 = c60 = c61 = c62 = c70 = c71 = c72 = default;
        ref var a4 = ref Unsafe.Add(ref a, 4 * strideM);
        ref var c4 = ref Unsafe.Add(ref c, 4 * strideC);
        var isBegun = Unsafe.IsNullRef(ref start);
        Begin(isBegun, ref c, ref start, ref c00, ref c01, ref c02);
        if (TRows.Value >= 4)
        {
            BeginNext(isBegun, ref c, strideC, ref start, 1, ref c10, ref c11, ref c12);
            BeginNext(isBegun, ref c, strideC, ref start, 2, ref c20, ref c21, ref c22);
            BeginNext(isBegun, ref c, strideC, ref start, 3, ref c30, ref c31, ref c32);
        }

        if (TRows.Value == 8)
        {
            BeginNext(isBegun, ref c, strideC, ref start, 4, ref c40, ref c41, ref c42);
            BeginNext(isBegun, ref c, strideC, ref start, 5, ref c50, ref c51, ref c52);
            BeginNext(isBegun, ref c, strideC, ref start, 6, ref c60, ref c61, ref c62);
            BeginNext(isBegun, ref c, strideC, ref start, 7, ref c70, ref c71, ref c72);
        }

        for (; k > 0; k--)
        {
            var b0 = L.Load(ref b, 0);
            var b1 = TVectors.Value > 1 ? L.Load(ref b, L.Count) : default;
            var b2 = TVectors.Value > 2 ? L.Load(ref b, 2 * L.Count) : default;
            Multiply(L.Create(a), b0, b1, b2, ref c00, ref c01, ref c02);
            if (TRows.Value >= 4)
            {
                Multiply(L.Create(Unsafe.Add(ref a, strideM)), b0, b1, b2, ref c10, ref c11, ref c12);
                Multiply(L.Create(Unsafe.Add(ref a, 2 * strideM)), b0, b1, b2, ref c20, ref c21, ref c22);
                Multiply(L.Create(Unsafe.Add(ref a, 3 * strideM)), b0, b1, b2, ref c30, ref c31, ref c32);
            }

            if (TRows.Value == 8)
            {
                Multiply(L.Create(a4), b0, b1, b2, ref c40, ref c41, ref c42);
                Multiply(L.Create(Unsafe.Add(ref a4, strideM)), b0, b1, b2, ref c50, ref c51, ref c52);
                Multiply(L.Create(Unsafe.Add(ref a4, 2 * strideM)), b0, b1, b2, ref c60, ref c61, ref c62);
                Multiply(L.Create(Unsafe.Add(ref a4, 3 * strideM)), b0, b1, b2, ref c70, ref c71, ref c72);
                a4 = ref Unsafe.Add(ref a4, strideK);
            }

            a = ref Unsafe.Add(ref a, strideK);
            b = ref Unsafe.Add(ref b, strideB);
        }

        Store(ref c, c00, c01, c02);
        if (TRows.Value >= 4)
            StoreThree(ref Unsafe.Add(ref c, strideC), strideC, c10, c11, c12, c20, c21, c22, c30, c31, c32);
        if (TRows.Value != 8)
            return;
        Store(ref c4, c40, c41, c42);
        StoreThree(ref Unsafe.Add(ref c4, strideC), strideC, c50, c51, c52, c60, c61, c62, c70, c71, c72);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void BeginNext(
        bool isBegun,
        ref double c,
        nint strideC,
        ref double start,
        nint row,
        ref V c0,
        ref V c1,
        ref V c2
    ) => Begin(isBegun, ref Unsafe.Add(ref c, row * strideC), ref Unsafe.Add(ref start, row), ref c0, ref c1, ref c2);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Begin(bool isBegun, ref double c, ref double start, ref V c0, ref V c1, ref V c2)
    {
        c0 = isBegun ? L.Load(ref c, 0) : L.Create(start);
        if (TVectors.Value > 1)
            c1 = isBegun ? L.Load(ref c, L.Count) : c0;
        if (TVectors.Value > 2)
            c2 = isBegun ? L.Load(ref c, 2 * L.Count) : c0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply(V a, V b0, V b1, V b2, ref V c0, ref V c1, ref V c2)
    {
        c0 = L.Fma(a, b0, c0);
        if (TVectors.Value > 1)
            c1 = L.Fma(a, b1, c1);
        if (TVectors.Value > 2)
            c2 = L.Fma(a, b2, c2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(ref double c, V c0, V c1, V c2)
    {
        L.Store(c0, ref c, 0);
        if (TVectors.Value > 1)
            L.Store(c1, ref c, L.Count);
        if (TVectors.Value > 2)
            L.Store(c2, ref c, 2 * L.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreThree(
        ref double c,
        nint strideC,
        V c00,
        V c01,
        V c02,
        V c10,
        V c11,
        V c12,
        V c20,
        V c21,
        V c22
    )
    {
        Store(ref c, c00, c01, c02);
        Store(ref Unsafe.Add(ref c, strideC), c10, c11, c12);
        Store(ref Unsafe.Add(ref c, 2 * strideC), c20, c21, c22);
    }
}

internal readonly struct One : INumber
{
    public static int Value => 1;
}

internal readonly struct Two : INumber
{
    public static int Value => 2;
}

internal readonly struct Three : INumber
{
    public static int Value => 3;
}

internal readonly struct Four : INumber
{
    public static int Value => 4;
}

internal readonly struct Eight : INumber
{
    public static int Value => 8;
}
