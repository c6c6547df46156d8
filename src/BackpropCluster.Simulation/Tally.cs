namespace BackpropCluster.Simulation;

/// <summary>What happened in one history, or in many.</summary>
public sealed class Tally
{
    public long Deliveries { get; set; }
    public long Losses { get; set; }
    public long Repeats { get; set; }

    /// <summary>Messages that were held back or overtaken on purpose, besides the random order.</summary>
    public long Delays { get; set; }

    /// <summary>Parts that lost their state alone.</summary>
    public long Crashes { get; set; }
    public long SiloLosses { get; set; }
    public long CoordinatorCrashes { get; set; }
    public long StoreFaults { get; set; }
    public long Recoveries { get; set; }
    public long Moves { get; set; }
    public long ReplayedSteps { get; set; }

    public void Add(Tally other)
    {
        Deliveries += other.Deliveries;
        Losses += other.Losses;
        Repeats += other.Repeats;
        Delays += other.Delays;
        Crashes += other.Crashes;
        SiloLosses += other.SiloLosses;
        CoordinatorCrashes += other.CoordinatorCrashes;
        StoreFaults += other.StoreFaults;
        Recoveries += other.Recoveries;
        Moves += other.Moves;
        ReplayedSteps += other.ReplayedSteps;
    }

    public override string ToString() =>
        $"{Deliveries} deliveries, {Losses} losses, {Repeats} repeats, {Delays} delays, {Crashes} crashes, "
        + $"{SiloLosses} silo losses, {CoordinatorCrashes} coordinator crashes, "
        + $"{StoreFaults} store faults, {Recoveries} recoveries, {Moves} moves, {ReplayedSteps} steps replayed";
}
