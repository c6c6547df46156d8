using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using BackpropCluster.Core.Learning.Vectors;

namespace BackpropCluster.Core.Learning;

/// <summary>A matrix whose element (row, column) stands at row·<paramref name="rowStride"/> +
/// column·<paramref name="columnStride"/>: as it is, or turned, without a copy.</summary>
internal readonly ref struct MatrixView(ReadOnlySpan<double> values, int rowStride, int columnStride)
{
    private readonly ReadOnlySpan<double> values = values;

    public int RowStride => rowStride;

    public int ColumnStride => columnStride;

    public int Length => values.Length;

    /// <summary>Rows for columns and columns for rows.</summary>
    public MatrixView Turned => new(values, columnStride, rowStride);

    /// <summary>Whether every element of so many rows and columns lies within the values.</summary>
    public bool Holds(int rows, int columns) =>
        rows == 0 || columns == 0 || (rows - 1L) * rowStride + (columns - 1L) * columnStride < values.Length;

    public ref double At(int row, int column) =>
        ref Unsafe.Add(ref MemoryMarshal.GetReference(values), (nint)row * rowStride + (nint)column * columnStride);

    /// <summary>Lays some columns of some rows side by side, each row padded with zeros to the panel's width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Pack(int row, int rows, int column, int columns, Span<double> panel, int width)
    {
        if (columns < width)
            panel[..(rows * width)].Clear();
        ref var target = ref MemoryMarshal.GetReference(panel);
        var (r, inPairs) = (0, columns & ~1);
        // Row by row reads from as many streams as there are columns, which caches bear; column by column would write
        // with a stride. Two rows of two columns are one exchange of halves between registers.
        for (; rowStride == 1 && r + 2 <= rows; r += 2)
        {
            ref var source = ref At(row + r, column);
            ref var packed = ref Unsafe.Add(ref target, (nint)r * width);
            for (nint c = 0; c < inPairs; c += 2)
            {
                var x = Vector128.LoadUnsafe(ref Unsafe.Add(ref source, c * columnStride));
                var y = Vector128.LoadUnsafe(ref Unsafe.Add(ref source, (c + 1) * columnStride));
                Pairs.Lows(x, y).StoreUnsafe(ref packed, (nuint)c);
                Pairs.Highs(x, y).StoreUnsafe(ref packed, (nuint)(width + c));
            }

            for (nint c = inPairs; c < columns; c++)
                (Unsafe.Add(ref packed, c), Unsafe.Add(ref packed, width + c)) = (
                    Unsafe.Add(ref source, c * columnStride),
                    Unsafe.Add(ref source, c * columnStride + 1)
                );
        }

        for (; r < rows; r++)
        {
            ref var source = ref At(row + r, column);
            ref var packed = ref Unsafe.Add(ref target, (nint)r * width);
            for (nint c = 0; c < columns; c++)
                Unsafe.Add(ref packed, c) = Unsafe.Add(ref source, c * columnStride);
        }
    }
}
