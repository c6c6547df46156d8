namespace BackpropCluster.Core.Protocol;

/// <summary>What came of putting an array into its slot.</summary>
public enum SlotOutcome
{
    Filled,

    /// <summary>The slot held the same bits already: a repeat.</summary>
    Same,

    /// <summary>The slot holds other bits under the same key: two parts of the run disagree.</summary>
    Different,

    /// <summary>No such sender, or not its shape.</summary>
    Misshapen,
}

/// <summary>One slot per sender of a neighbouring layer. Full slots, read end to end, are the layer's array.</summary>
/// <remarks>By the sender's position, never by arrival: sums run over the result in index order, so an array put where it happened
/// to arrive would end in other bits each time.</remarks>
public sealed class Slots
{
    private readonly int[] units;
    private readonly int[] firstUnit;
    private readonly bool[] filled;
    private double[] values = [];
    private int missing;

    /// <param name="units">How many units each sender has, by position.</param>
    public Slots(int[] units)
    {
        this.units = units;
        firstUnit = new int[units.Length];
        for (var s = 1; s < units.Length; s++) firstUnit[s] = firstUnit[s - 1] + units[s - 1];
        TotalUnits = units.Sum();
        filled = new bool[units.Length];
        missing = units.Length;
    }

    public int TotalUnits { get; }

    public bool IsFull => missing == 0;

    /// <summary>Rows of the arrays; known with the first one.</summary>
    public int Rows { get; private set; }

    /// <summary>All senders' units × rows. Only when full.</summary>
    public double[] Values => IsFull ? values : throw new InvariantViolationException($"a sum was begun with {missing} of {filled.Length} arrays missing");

    public SlotOutcome Put(int sender, Payload payload)
    {
        if (sender < 0 || sender >= units.Length || payload.Units != units[sender]) return SlotOutcome.Misshapen;
        if (missing < filled.Length && payload.Rows != Rows) return SlotOutcome.Misshapen;
        if (filled[sender]) return SameBits(sender, payload) ? SlotOutcome.Same : SlotOutcome.Different;
        if (missing == filled.Length) Begin(payload);
        if (filled.Length > 1) payload.Values.CopyTo(values, firstUnit[sender] * Rows);
        filled[sender] = true;
        missing--;
        return SlotOutcome.Filled;
    }

    /// <summary>Empties all slots for the next step; the buffer is kept.</summary>
    public void Clear()
    {
        Array.Clear(filled);
        missing = filled.Length;
    }

    private void Begin(Payload payload)
    {
        Rows = payload.Rows;
        // A single sender's array is the whole layer's: held, not copied. Nobody writes to a payload.
        if (filled.Length == 1) values = payload.Values;
        else if (values.Length != TotalUnits * Rows) values = new double[TotalUnits * Rows];
    }

    // Bits, not numbers: NaN equals itself here and −0 differs from 0.
    private bool SameBits(int sender, Payload payload) =>
        ReferenceEquals(values, payload.Values)
        || System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan(firstUnit[sender] * Rows, units[sender] * Rows))
            .SequenceEqual(System.Runtime.InteropServices.MemoryMarshal.AsBytes<double>(payload.Values));
}
