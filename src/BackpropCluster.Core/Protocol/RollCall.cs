namespace BackpropCluster.Core.Protocol;

/// <summary>Who has answered and who has not. Each counts once, however often it answers.</summary>
internal sealed class RollCall
{
    private readonly RunPlan plan;
    private readonly bool[] expected;
    private readonly bool[] answered;
    private readonly int count;
    private int missing;

    /// <param name="plan">The run whose parts these are.</param>
    /// <param name="parts">Those whose answers are awaited.</param>
    public RollCall(RunPlan plan, IEnumerable<PartId> parts)
    {
        this.plan = plan;
        expected = new bool[plan.PartCount];
        answered = new bool[plan.PartCount];
        foreach (var part in parts)
        {
            expected[plan.OrdinalOf(part)] = true;
            count++;
        }

        missing = count;
    }

    public bool IsComplete => missing == 0;

    /// <summary>Ticks off an answer; false if it was known or is not awaited.</summary>
    public bool TickOff(PartId part)
    {
        var ordinal = plan.OrdinalOf(part);
        if (ordinal < 0 || !expected[ordinal] || answered[ordinal]) return false;
        answered[ordinal] = true;
        missing--;
        return true;
    }

    /// <summary>Ticks off the answer of a part, or of all parts that a relay speaks for; false if that was no news.</summary>
    public bool TickOff(PartId from, Placement placement)
    {
        if (from.Kind != PartKind.Relay) return TickOff(from);
        var news = false;
        foreach (var part in placement.PartsOn(plan, from.Index)) news |= TickOff(part);
        return news;
    }

    /// <summary>Awaits the answers of all again.</summary>
    public void Repeat()
    {
        Array.Clear(answered);
        missing = count;
    }
}
