using System.Runtime.InteropServices;

namespace BackpropCluster.Core.Protocol;

/// <summary>What came of putting an array into its slot.</summary>
public enum InputOutcome
{
    Accepted,

    /// <summary>The slot held the same bits already: a repeat.</summary>
    Duplicate,

    /// <summary>The slot holds other bits under the same key: two parts of the run disagree.</summary>
    Conflict,

    /// <summary>No such sender, or not its shape.</summary>
    Misshapen,
}

/// <summary>One slot per sender of a neighbouring layer. Full slots, read end to end, are the layer's array.</summary>
/// <remarks>By the sender's position, never by arrival: sums run over the result in index order, so an array put where
/// it happened to arrive would end in other bits each time.</remarks>
public sealed class InputBuffer
{
    private readonly int[] units;

    // made with the first array of one sender: an actor, whose exchange brings whole layers, needs none
    private int[] firstUnit = [];
    private bool[] filled = [];
    private double[] values = [];
    private double[] own = [];
    private int missing;

    /// <param name="units">How many units each sender has, by position; shared by all slots of its layer.</param>
    public InputBuffer(int[] units)
    {
        this.units = units;
        TotalUnits = units.Sum();
        missing = units.Length;
    }

    public int TotalUnits { get; }

    public bool IsFull => missing == 0;

    public bool IsEmpty => missing == units.Length;

    /// <summary>Rows of the arrays; known with the first one.</summary>
    public int Rows { get; private set; }

    /// <summary>All senders' units × rows. Only when full.</summary>
    public double[] Values =>
        IsFull
            ? values
            : throw new InvariantViolationException($"a sum was begun with {missing} of {units.Length} arrays missing");

    /// <summary>Takes the array of one sender.</summary>
    public InputOutcome Put(int sender, Payload payload) =>
        sender < 0 || sender >= units.Length ? InputOutcome.Misshapen
        : units.Length == 1 ? PutAll(payload)
        : PutMany([sender], payload);

    /// <summary>Takes the arrays of all senders, laid end to end: held, not copied. Nobody writes to a
    /// payload.</summary>
    public InputOutcome PutAll(Payload payload)
    {
        if (payload.Units != TotalUnits || (missing < units.Length && payload.Rows != Rows))
            return InputOutcome.Misshapen;
        if (missing == 0)
            return SameBits(values, payload.Values) ? InputOutcome.Duplicate : InputOutcome.Conflict;
        if (missing < units.Length)
            return InputOutcome.Misshapen;
        (Rows, values, missing) = (payload.Rows, payload.Values, 0);
        return InputOutcome.Accepted;
    }

    /// <summary>Takes the arrays of some senders, laid end to end.</summary>
    public InputOutcome PutMany(ReadOnlySpan<int> senders, Payload payload)
    {
        if (senders.Length == units.Length)
            return PutAll(payload);
        if (missing < units.Length && payload.Rows != Rows)
            return InputOutcome.Misshapen;
        // A whole layer came before: whoever sends single arrays is not of this plan.
        if (!FitsExactly(senders, payload.Units) || (missing == 0 && filled.Length == 0))
            return InputOutcome.Misshapen;
        if (missing == units.Length)
            Begin(payload.Rows);
        var (outcome, from) = (InputOutcome.Duplicate, 0);
        foreach (var sender in senders)
        {
            var array = payload.Values.AsSpan(from, units[sender] * Rows);
            from += array.Length;
            var slot = values.AsSpan(firstUnit[sender] * Rows, array.Length);
            if (filled[sender])
            {
                if (!SameBits(slot, array))
                    return InputOutcome.Conflict;
                continue;
            }

            array.CopyTo(slot);
            filled[sender] = true;
            missing--;
            outcome = InputOutcome.Accepted;
        }

        return outcome;
    }

    /// <summary>Copies the arrays of some senders, laid end to end.</summary>
    public void CopyTo(ReadOnlySpan<int> senders, double[] destination)
    {
        var to = 0;
        foreach (var sender in senders)
        {
            var array = values.AsSpan(firstUnit[sender] * Rows, units[sender] * Rows);
            array.CopyTo(destination.AsSpan(to));
            to += array.Length;
        }
    }

    /// <summary>Empties all slots for the next step; the buffer is kept.</summary>
    public void Clear()
    {
        Array.Clear(filled);
        missing = units.Length;
    }

    /// <summary>Empties all slots and leaves the array to whoever still reads it.</summary>
    public void Renew()
    {
        Clear();
        own = [];
    }

    private void Begin(int rows)
    {
        Rows = rows;
        if (filled.Length == 0)
        {
            (filled, firstUnit) = (new bool[units.Length], new int[units.Length]);
            for (var s = 1; s < units.Length; s++)
                firstUnit[s] = firstUnit[s - 1] + units[s - 1];
        }

        if (own.Length != TotalUnits * rows)
            own = new double[TotalUnits * rows];
        values = own;
    }

    private bool FitsExactly(ReadOnlySpan<int> senders, int unitsOfPayload)
    {
        var sum = 0;
        foreach (var sender in senders)
            sum += units[sender];
        return sum == unitsOfPayload;
    }

    // Bits, not numbers: NaN equals itself here and −0 differs from 0.
    private static bool SameBits(ReadOnlySpan<double> a, ReadOnlySpan<double> b) =>
        MemoryMarshal.AsBytes(a).SequenceEqual(MemoryMarshal.AsBytes(b));
}
