namespace BackpropCluster.Core.Learning;

/// <summary>Some units of a product's result and some of its columns: whole sums, so no cut changes a bit.</summary>
public readonly record struct Block(int From, int Units, Range Columns)
{
    /// <summary>Where these units stand in an array of so many values a unit.</summary>
    public Range Of(int width) => (From * width)..((From + Units) * width);
}

/// <summary>A product's result, units × columns, cut into blocks that cores take one after the other.</summary>
public readonly record struct BlockGrid
{
    // Some blocks for each core: a core that comes late, or is slower, then takes fewer.
    private const int BlocksPerCore = 4;

    // Narrower blocks would not fill the tiles, and what is packed for a block's columns serves its units alone: of few
    // units the packing would cost as much as the sums.
    private const int LeastColumns = 64;
    private const int LeastUnits = 128;

    private readonly int units;
    private readonly int columns;
    private readonly int down;
    private readonly int across;

    private BlockGrid(int units, int columns, int down, int across) =>
        (this.units, this.columns, this.down, this.across) = (units, columns, down, across);

    /// <summary>How many blocks, from 0.</summary>
    public int Blocks => down * across;

    /// <summary>One of the blocks.</summary>
    public Block this[int block]
    {
        get
        {
            var (row, column) = (block / across, block % across);
            // Between tiles, where there are so many: a tile that is cut costs as much as a whole one.
            var (from, to) = (Border(units, row, down, 8), Border(units, row + 1, down, 8));
            return new Block(
                from,
                to - from,
                Border(columns, column, across, 16)..Border(columns, column + 1, across, 16)
            );
        }
    }

    public static BlockGrid Whole(int units, int columns) => new(units, columns, 1, 1);

    /// <summary>Blocks for so many cores.</summary>
    /// <param name="units">Rows of the result.</param>
    /// <param name="columns">Columns of the result.</param>
    /// <param name="cores">How many may take part.</param>
    /// <param name="most">How many blocks pay for their being handed out.</param>
    public static BlockGrid Cut(int units, int columns, int cores, long most)
    {
        if (cores == 1)
            return Whole(units, columns);
        var wanted = (int)Math.Min(BlocksPerCore * cores, most);
        // Across first: each column is packed once then.
        var across = Math.Clamp(columns / LeastColumns, 1, wanted);
        var down = Math.Max(
            Math.Min(units / LeastUnits, wanted / across),
            (Math.Min(cores, wanted) + across - 1) / across
        );
        return new BlockGrid(units, columns, Math.Clamp(down, 1, units), across);
    }

    private static int Border(int count, int block, int blocks, int tile)
    {
        var border = (int)((long)count * block / blocks);
        return block == blocks || count < 2 * tile * blocks ? border : border / tile * tile;
    }
}
