using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Data;

/// <summary>Which rows a step takes: a pure function of (seed, step). Steps count from 1.</summary>
/// <remarks>Shuffled: each epoch has an order of its own, by (seed, "order", epoch), and its last batch holds what is
/// left. In file order: the rows form an endless ring, every batch is full, and one may take the last rows together
/// with the first.</remarks>
public sealed class BatchOrder
{
    private readonly ulong seed;
    private readonly bool shuffle;
    private int orderedEpoch;
    private int[] order = [];

    public BatchOrder(DataSpec data, int epochs, ulong seed, int trainingRows)
    {
        (this.seed, shuffle, Rows) = (seed, data.Shuffle, trainingRows);
        Batch = data.Batch ?? trainingRows;
        Microbatches = data.Microbatches;
        Steps = shuffle
            ? checked(epochs * ((Rows + Batch - 1) / Batch))
            : checked((int)(((long)epochs * Rows + Batch - 1) / Batch));
    }

    public int Rows { get; }
    public int Batch { get; }
    public int Microbatches { get; }

    /// <summary>Steps of the whole run.</summary>
    public int Steps { get; }

    private int StepsPerEpoch => (Rows + Batch - 1) / Batch;

    /// <summary>The epoch (1, 2, …) whose rows step <paramref name="step"/> begins with.</summary>
    public int EpochOf(int step) => 1 + (shuffle ? (step - 1) / StepsPerEpoch : (int)((step - 1L) * Batch / Rows));

    /// <summary>Whether the epoch is over once this step is committed.</summary>
    public bool EndsEpoch(int step) => step == Steps || EpochOf(step + 1) != EpochOf(step);

    /// <summary>How many rows step <paramref name="step"/> takes.</summary>
    public int CountOf(int step) => shuffle ? Math.Min(Batch, Rows - (step - 1) % StepsPerEpoch * Batch) : Batch;

    /// <summary>The place in the batch at which a microbatch begins: microbatch m of M takes places ⌊m·n/M⌋ …
    /// ⌊(m+1)·n/M⌋, so sizes differ by one at most.</summary>
    public int FirstOf(int step, int microbatch) => (int)((long)microbatch * CountOf(step) / Microbatches);

    /// <summary>The training rows of one microbatch, in the order in which they are summed.</summary>
    public int[] RowsOf(int step, int microbatch)
    {
        var first = FirstOf(step, microbatch);
        var rows = new int[FirstOf(step, microbatch + 1) - first];
        var epoch = EpochOf(step);
        if (shuffle && epoch != orderedEpoch)
            (order, orderedEpoch) = (
                new CounterRandom(seed, RandomPurpose.Order, (uint)epoch).Permutation(Rows),
                epoch
            );
        for (var i = 0; i < rows.Length; i++)
            rows[i] = shuffle
                ? order[(step - 1) % StepsPerEpoch * Batch + first + i]
                : (int)(((step - 1L) * Batch + first + i) % Rows);
        return rows;
    }
}
