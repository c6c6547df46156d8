using System.Globalization;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation;

/// <summary>What can go wrong in one turn of a carrier: to the message whose turn it is, or to the world around
/// it.</summary>
/// <remarks>What cannot happen in a turn (a silo of a run without silos is lost, a store without checkpoints is
/// damaged) does not.</remarks>
public enum FaultKind : byte
{
    /// <summary>The message is lost in silence.</summary>
    Lose,

    /// <summary>The message comes again later. Not a request to the store: that is a call, done once or not at
    /// all.</summary>
    Repeat,

    /// <summary>The same, but not before the step at work is committed: whoever sent it may be at the next by
    /// then.</summary>
    RepeatLate,

    /// <summary>The message is held back until the step after the next has begun.</summary>
    Delay,

    /// <summary>Everything that is under way overtakes the message.</summary>
    Overtake,

    /// <summary>Whoever sent the message has lost its state by now.</summary>
    CrashSender,

    /// <summary>Whoever gets the message has lost its state before.</summary>
    CrashReceiver,

    /// <summary>The coordinator is gone; another one will lead.</summary>
    CrashCoordinator,

    /// <summary>A silo is gone with all that stood on it, and so are the messages to it.</summary>
    CrashSilo,

    /// <summary>A silo comes.</summary>
    JoinSilo,

    /// <summary>A silo asks to be rid of its parts and goes when it is.</summary>
    LeaveSilo,

    /// <summary>A silo lacks the run's data from now on: it stays a member and may be the coordinator's, but can hold
    /// no part.</summary>
    ObjectSilo,

    /// <summary>A silo that lacked the data has them again.</summary>
    AcceptSilo,

    /// <summary>Another coordinator leads while the one before is alive; each gets some of the messages.</summary>
    SecondCoordinator,

    /// <summary>The user interrupts the run and goes on with it when it is saved.</summary>
    Interrupt,

    /// <summary>The deadline passes although messages are under way: everything is merely slow.</summary>
    PassDeadline,

    /// <summary>The store says that it could not do what the message asks for.</summary>
    RefuseRequest,

    /// <summary>The store refuses everything for some turns.</summary>
    StoreDown,

    /// <summary>A write that nobody was told of yet is done in half.</summary>
    TearWrite,

    /// <summary>A part of the newest checkpoint is damaged although it was written.</summary>
    DamageCheckpoint,

    /// <summary>A block of scores, or one of its copies, is damaged although it was written: every later checkpoint
    /// names it.</summary>
    DamageScores,
}

/// <summary>One fault of a history.</summary>
/// <param name="Turn">The carrier's turn in which it happens, from 1.</param>
/// <param name="Kind">What happens.</param>
/// <param name="Choice">Which silo, how long, and the like: as many random bits as that takes.</param>
public readonly record struct Fault(int Turn, FaultKind Kind, uint Choice = 0)
{
    /// <summary>Reads faults as they are printed, separated by commas.</summary>
    public static Fault[] Parse(string text) =>
        [
            .. text.Split(',', StringSplitOptions.RemoveEmptyEntries)
                .Select(one =>
                {
                    var words = one.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                    var choice = words.Length > 2 ? uint.Parse(words[2], CultureInfo.InvariantCulture) : 0;
                    return new Fault(
                        int.Parse(words[0], CultureInfo.InvariantCulture),
                        Enum.Parse<FaultKind>(words[1]),
                        choice
                    );
                }),
        ];

    public override string ToString() =>
        Choice == 0
            ? string.Create(CultureInfo.InvariantCulture, $"{Turn} {Kind}")
            : string.Create(CultureInfo.InvariantCulture, $"{Turn} {Kind} {Choice}");
}

/// <summary>Decides what goes wrong, turn by turn.</summary>
public interface IFaults
{
    /// <summary>Adds what goes wrong in a turn.</summary>
    /// <param name="turn">From 1, each once and in order.</param>
    /// <param name="to">Who is to get the message whose turn it is.</param>
    /// <param name="faults">Where to.</param>
    void Decide(int turn, ActorRole to, ICollection<Fault> faults);
}

/// <summary>The faults of a list, and no others.</summary>
public sealed class ListedFaults(IEnumerable<Fault> faults) : IFaults
{
    private readonly ILookup<int, Fault> byTurn = faults.ToLookup(f => f.Turn);

    public static ListedFaults None { get; } = new([]);

    public void Decide(int turn, ActorRole to, ICollection<Fault> faults)
    {
        foreach (var fault in byTurn[turn])
            faults.Add(fault);
    }
}
