namespace BackpropCluster.Core.Protocol;

/// <summary>Who has answered and who has not. Each counts once, however often it answers.</summary>
internal sealed class AckTracker
{
    private readonly RunPlan plan;
    private readonly bool[] expected;
    private readonly bool[] answered;
    private readonly int count;
    private int missing;

    /// <param name="plan">The run whose parts these are.</param>
    /// <param name="parts">Those whose answers are awaited.</param>
    public AckTracker(RunPlan plan, IEnumerable<ActorId> parts)
    {
        this.plan = plan;
        expected = new bool[plan.ActorCount];
        answered = new bool[plan.ActorCount];
        foreach (var part in parts)
        {
            expected[plan.OrdinalOf(part)] = true;
            count++;
        }

        missing = count;
    }

    public bool IsComplete => missing == 0;

    /// <summary>Ticks off an answer; false if it was known or is not awaited.</summary>
    public bool Acknowledge(ActorId part)
    {
        var ordinal = plan.OrdinalOf(part);
        if (ordinal < 0 || !expected[ordinal] || answered[ordinal])
            return false;
        answered[ordinal] = true;
        missing--;
        return true;
    }

    /// <summary>Ticks off the answer of a part, or of all parts that an exchange speaks for; false if that was no
    /// news.</summary>
    public bool Acknowledge(ActorId from, Placement placement)
    {
        if (from.Kind != ActorRole.Exchange)
            return Acknowledge(from);
        var news = false;
        foreach (var part in placement.ActorsOn(plan, from.Index))
            news |= Acknowledge(part);
        return news;
    }

    /// <summary>Awaits the answers of all again.</summary>
    public void Reset()
    {
        Array.Clear(answered);
        missing = count;
    }
}
