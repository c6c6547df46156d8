using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace BackpropCluster.Core.Learning;

/// <summary>A matrix whose element (row, column) stands at row·<paramref name="rowStride"/> + column·<paramref name="columnStride"/>: as it is, or turned, without a copy.</summary>
internal readonly ref struct Strided(ReadOnlySpan<double> values, int rowStride, int columnStride)
{
    private readonly ReadOnlySpan<double> values = values;

    public int RowStride => rowStride;

    public int ColumnStride => columnStride;

    public int Length => values.Length;

    /// <summary>Whether every element of so many rows and columns lies within the values.</summary>
    public bool Holds(int rows, int columns) =>
        rows == 0 || columns == 0 || (rows - 1L) * rowStride + (columns - 1L) * columnStride < values.Length;

    public ref double At(int row, int column) =>
        ref Unsafe.Add(ref MemoryMarshal.GetReference(values), (nint)row * rowStride + (nint)column * columnStride);

    /// <summary>Lays some columns of some rows side by side, each row padded with zeros to the panel's width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Pack(int row, int rows, int column, int columns, Span<double> panel, int width)
    {
        if (columns < width) panel[..(rows * width)].Clear();
        if (columnStride == 1)
        {
            for (var r = 0; r < rows; r++)
                values.Slice((row + r) * rowStride + column, columns).CopyTo(panel[(r * width)..]);
            return;
        }

        // Column by column would write with a stride; row by row reads from as many streams as there are columns, which caches bear.
        ref var target = ref MemoryMarshal.GetReference(panel);
        for (var r = 0; r < rows; r++)
        {
            ref var source = ref At(row + r, column);
            ref var packed = ref Unsafe.Add(ref target, (nint)r * width);
            for (nint c = 0; c < columns; c++)
                Unsafe.Add(ref packed, c) = Unsafe.Add(ref source, c * columnStride);
        }
    }
}
