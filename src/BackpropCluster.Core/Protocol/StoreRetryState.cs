namespace BackpropCluster.Core.Protocol;

/// <summary>The store does not answer: the run pauses where it is and asks again, for as long as is
/// reasonable.</summary>
/// <param name="Since">When it was first noticed.</param>
/// <param name="AskAt">When to ask again.</param>
/// <param name="Reason">What the store's side says.</param>
internal sealed record StoreRetryState(TimeSpan Since, TimeSpan AskAt, string Reason)
{
    private static readonly TimeSpan GiveUpAfter = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    // An answer may be lost: then it is asked again anyway.
    private static readonly TimeSpan AnswerBound = TimeSpan.FromSeconds(15);

    /// <summary>No answer again.</summary>
    public static StoreRetryState Noticed(StoreRetryState? known, TimeSpan now, string reason) =>
        new(known?.Since ?? now, now + Pause, reason);

    public bool IsDue(TimeSpan now) => now >= AskAt;

    public bool IsTooLong(TimeSpan now) => now - Since > GiveUpAfter;

    public StoreRetryState Asked(TimeSpan now) => this with { AskAt = now + AnswerBound };

    public override string ToString() =>
        $"the store does not answer ({Reason}); it is asked every second, for {GiveUpAfter.TotalMinutes} minutes";
}
