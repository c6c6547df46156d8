using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation;

/// <summary>What a carrier does to messages, besides delivering them in random order.</summary>
/// <param name="RepeatShare">Share of deliveries after which the same message stays under way and comes again.</param>
/// <param name="Losses">How many messages are lost at most, each silently.</param>
/// <param name="Crashes">How many times at most a part loses its whole state.</param>
/// <remarks>Losses and crashes are counts, not rates: a run must be able to outlive its faults, and each costs a
/// recovery.</remarks>
public sealed record Disturbance(double RepeatShare, int Losses, int Crashes)
{
    public static Disturbance None { get; } = new(0, 0, 0);

    /// <summary>The faults of one history.</summary>
    public IFaults FaultsOf(ulong seed) => this == None ? ListedFaults.None : new Draws(this, seed);

    private sealed class Draws(Disturbance disturbance, ulong seed) : IFaults
    {
        private readonly CounterRandom chance = new(seed, RandomPurpose.Simulation, 1);
        private int losses = disturbance.Losses;
        private int crashes = disturbance.Crashes;

        // About one fault in fifty deliveries, until the counts are used up: early and late steps get their share.
        public void Decide(int turn, ActorRole to, ICollection<Fault> faults)
        {
            var fault = chance.Unit(2 * (ulong)turn);
            if (fault < 0.02 && losses > 0)
            {
                losses--;
                faults.Add(new(turn, FaultKind.Lose));
                return;
            }

            if (fault > 0.98 && crashes > 0 && to is not (ActorRole.Coordinator or ActorRole.Store))
            {
                crashes--;
                faults.Add(new(turn, FaultKind.CrashReceiver));
            }

            if (chance.Unit(2 * (ulong)turn + 1) < disturbance.RepeatShare)
                faults.Add(new(turn, FaultKind.Repeat));
        }
    }
}
