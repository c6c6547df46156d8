using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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
        var (r, inFours) = (0, columns & ~3);
        // Row by row reads from as many streams as there are columns, which caches bear; column by column would write
        // with a stride. Four rows of four columns are turned in registers.
        for (; rowStride == 1 && r + 4 <= rows; r += 4)
        {
            ref var source = ref At(row + r, column);
            ref var packed = ref Unsafe.Add(ref target, (nint)r * width);
            for (nint c = 0; c < inFours; c += 4)
            {
                ref var first = ref Unsafe.Add(ref source, c * columnStride);
                ref var third = ref Unsafe.Add(ref first, (nint)2 * columnStride);
                Turn.Four(
                    ref first,
                    ref Unsafe.Add(ref first, (nint)columnStride),
                    ref third,
                    ref Unsafe.Add(ref third, (nint)columnStride),
                    ref Unsafe.Add(ref packed, c),
                    width
                );
            }

            for (nint c = inFours; c < columns; c++)
            for (nint below = 0; below < 4; below++)
                Unsafe.Add(ref packed, below * width + c) = Unsafe.Add(ref source, c * columnStride + below);
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
