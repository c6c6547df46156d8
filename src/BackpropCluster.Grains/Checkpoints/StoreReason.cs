namespace BackpropCluster.Grains.Checkpoints;

/// <summary>Why the store did not do what it was asked for, in the few words that a person needs.</summary>
internal static class StoreReason
{
    private const string Nested = "Exception: ";

    // Where the client of the store begins to tell of its threads and queues: "Timeout awaiting response
    // (outbound=0KiB, …", "No connection is active/available to service this operation: HGETALL …".
    private static readonly string[] Details = [" (", ": ", "; "];

    /// <summary>The reason that stands innermost; grain storage quotes it after a type's name, behind what it was
    /// doing.</summary>
    public static string Of(Exception failure)
    {
        var message = failure.GetBaseException().Message;
        var nested = message.LastIndexOf(Nested, StringComparison.Ordinal);
        var reason = nested < 0 ? message : message[(nested + Nested.Length)..];
        var end = Details
            .Select(detail => reason.IndexOf(detail, StringComparison.Ordinal))
            .Where(at => at > 0)
            .DefaultIfEmpty(reason.Length)
            .Min();
        return reason[..end].TrimEnd('.');
    }
}
