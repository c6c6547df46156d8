namespace BackpropCluster.Grains.Telemetry;

/// <summary>Nanoseconds since 1970-01-01 UTC that never run backward within a process: read once, then counted on by a
/// steady clock.</summary>
internal static class TraceClock
{
    private static readonly DateTimeOffset Start = TimeProvider.System.GetUtcNow();
    private static readonly long Since = TimeProvider.System.GetTimestamp();

    public static long Now =>
        (Start - DateTimeOffset.UnixEpoch + TimeProvider.System.GetElapsedTime(Since)).Ticks * 100;

    public static DateTime ToDateTime(long nanoseconds) => DateTime.UnixEpoch.AddTicks(nanoseconds / 100);
}
