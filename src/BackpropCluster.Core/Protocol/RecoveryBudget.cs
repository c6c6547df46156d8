namespace BackpropCluster.Core.Protocol;

/// <summary>Why a run goes back to a checkpoint.</summary>
public enum RecoveryCause : byte
{
    /// <summary>A part asked for a state. Asked again and again it cannot be helped, so these are counted.</summary>
    Asked,

    /// <summary>The deadline passed: something was lost, or all is slow.</summary>
    Deadline,

    /// <summary>A silo that held parts is no member any more, or an own request reached the store late: the next
    /// attempt differs.</summary>
    Change,
}

/// <summary>How long a coordinator tries before it gives a run up: recoveries since the last step that was committed
/// for the first time.</summary>
/// <remarks>A recovery that follows a loss of silos says nothing about the next one, and one that timed out may only
/// have been too impatient. So neither is counted: the deadline doubles, and what ends the run is the time without a
/// new step.</remarks>
/// <param name="deadline">How long a step may take without progress, while nothing goes wrong.</param>
/// <param name="giveUpAfter">How long the run may go without a new step once it has begun to recover.</param>
internal sealed class RecoveryBudget(TimeSpan deadline, TimeSpan giveUpAfter)
{
    /// <summary>Recoveries in a row that parts may ask for without a new step.</summary>
    public const int MaxAsked = 5;

    // Sixteen times the deadline: a longer wait would only delay the next try once the machines are quick again.
    private const int MaxDoublings = 4;

    private int asked;
    private int timedOut;
    private TimeSpan? since;

    /// <summary>How long the step at work may take without progress.</summary>
    public TimeSpan Deadline =>
        deadline > TimeSpan.MaxValue / (1 << MaxDoublings)
            ? deadline
            : deadline * (1 << Math.Min(timedOut, MaxDoublings));

    /// <summary>A step was committed that had not been before: all that went wrong is forgiven.</summary>
    public void Renew() => (asked, timedOut, since) = (0, 0, null);

    /// <summary>Enters a recovery.</summary>
    /// <returns>Why the run is to be given up instead; <see langword="null"/> if it is not.</returns>
    public string? Spend(RecoveryCause cause, TimeSpan now)
    {
        if (cause == RecoveryCause.Asked)
            asked++;
        if (cause == RecoveryCause.Deadline)
            timedOut++;
        since ??= now;
        if (asked > MaxAsked)
            return $"{MaxAsked} recoveries in a row that parts asked for committed no new step";
        return now - since > giveUpAfter
            ? $"no new step was committed within {giveUpAfter.TotalMinutes:0.##} minutes of recovering"
            : null;
    }
}
