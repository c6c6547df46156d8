namespace BackpropCluster.Simulation;

/// <summary>What a carrier does to messages, besides delivering them in random order.</summary>
/// <param name="RepeatShare">Share of deliveries after which the same message stays under way and comes again.</param>
/// <param name="Losses">How many messages are lost at most, each silently.</param>
/// <param name="Crashes">How many times at most a part loses its whole state.</param>
/// <remarks>Losses and crashes are counts, not rates: a run must be able to outlive its faults, and each costs a recovery.</remarks>
public sealed record Disturbance(double RepeatShare, int Losses, int Crashes)
{
    public static Disturbance None { get; } = new(0, 0, 0);
}
