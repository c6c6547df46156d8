using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation.Exploration;

/// <summary>How a model is trained, and how much goes wrong.</summary>
/// <param name="Model">Which of <see cref="Models"/>.</param>
/// <param name="Cut">How it is cut.</param>
/// <param name="Silos">Silos with an exchange each at the beginning.</param>
/// <param name="Placement">How parts are laid on them.</param>
/// <param name="SaveEvery">Steps from checkpoint to checkpoint; 0 saves nothing.</param>
/// <param name="Keep">How many of the newest checkpoints are kept; 0 keeps all.</param>
/// <param name="Window">How many messages under way may come next; 1 keeps the order of their sending.</param>
/// <param name="Faults">Turns in which something may go wrong. After them nothing does, and the run must
/// finish.</param>
/// <param name="Rates">How often.</param>
public sealed record Scenario(
    int Model,
    Granularity Cut,
    int Silos,
    PlacementRule Placement,
    int SaveEvery,
    int Keep,
    int Window,
    int Faults,
    FaultRates Rates
)
{
    private static readonly int[] models =
    [
        0,
        0,
        0,
        1,
        1,
        1,
        2,
        2,
        2,
        3,
        3,
        4,
        4,
        4,
        5,
        5,
        5,
        6,
        7,
        8,
        8,
        8,
        9,
        9,
        9,
        10,
        11,
    ];
    private static readonly Granularity[] cuts =
    [
        Granularity.Neuron,
        Granularity.Neuron,
        new(2),
        new(3),
        new(5),
        Granularity.Layer,
    ];
    private static readonly int[] saves = [1, 1, 2, 2, 2, 3, 5, 0];
    private static readonly int[] keeps = [0, 0, 1, 2, 3];
    private static readonly int[] windows = [1, 2, 4, 16, int.MaxValue, int.MaxValue, int.MaxValue];

    /// <summary>Whether no coordinator may give up: where one fault is all, it is no reason to.</summary>
    public bool MustNotFail => Rates == FaultRates.None;

    /// <summary>The run, cut and placed.</summary>
    public RunPlan PlanOf(Golden golden) =>
        new()
        {
            Run = "explored",
            Fingerprint = 42,
            Spec = Models.SpecOf(Model),
            Granularity = Cut,
            Features = golden.Data.Features,
            TrainingRows = golden.Data.Training.Count,
            TestRows = golden.Data.Test.Count,
            HasClasses = golden.Data.HasClasses,
            Placement = Placement,
            Checkpoints = SaveEvery == 0 ? CheckpointRule.None : new CheckpointRule(SaveEvery, TimeSpan.Zero, Keep),
        };

    /// <summary>The scenario that a seed names.</summary>
    public static Scenario Of(ulong seed)
    {
        var chance = new CounterRandom(seed, RandomPurpose.Simulation, 3);
        var faults = 20 + chance.Below(chance.Below(8, 0) == 0 ? 1500 : 400, 1);
        return new Scenario(
            models[chance.Below(models.Length, 2)],
            cuts[chance.Below(cuts.Length, 3)],
            // Not 1 + Below(5): a seed names the history that it has named before.
            Math.Max(1, chance.Below(6, 4)),
            (PlacementRule)chance.Below(4, 5),
            saves[chance.Below(saves.Length, 6)],
            keeps[chance.Below(keeps.Length, 8)],
            windows[chance.Below(windows.Length, 7)],
            faults,
            FaultRates.Of(chance, faults)
        );
    }

    public override string ToString()
    {
        var layers = string.Join('-', Models.SpecOf(Model).Model.Layers.Select(layer => layer.Units));
        var saved =
            SaveEvery == 0 ? "never saved" : $"saved every {SaveEvery} steps, {(Keep == 0 ? "all" : Keep)} kept";
        var order =
            Window == 1 ? "in order"
            : Window == int.MaxValue ? "in any order"
            : $"{Window} at a time in any order";
        return $"model '{Models.SpecOf(Model).Name}' ({layers}) in {Cut} shards, "
            + $"{Silos} silo{(Silos == 1 ? "" : "s")}, {Placement}, {saved}, delivered {order}";
    }
}

/// <summary>How often what goes wrong: shares of turns.</summary>
/// <param name="Loss">Of messages, 0 to 0.3.</param>
/// <param name="Repeat">Of messages, 0 to 0.5.</param>
/// <param name="Delay">Of messages.</param>
/// <param name="Store">Of requests to the store.</param>
/// <param name="World">Of turns in which something happens to a part, a silo, a coordinator or the time.</param>
public sealed record FaultRates(double Loss, double Repeat, double Delay, double Store, double World)
{
    public static FaultRates None { get; } = new(0, 0, 0, 0, 0);

    internal static FaultRates Of(CounterRandom chance, int turns)
    {
        // Powers: a run in which a third of all messages is lost gets nowhere before the faults stop; those that lose a
        // few get far. Products alone, which every machine rounds alike: the C library's pow may differ, and a seed
        // must name one history.
        double Cube(ulong index) => Math.Max(0, 1.2 * chance.Unit(index) - 0.2) is var x ? x * x * x : 0;
        return new(
            0.3 * Cube(10) * Cube(10),
            0.5 * Cube(11),
            0.2 * Cube(12) * Cube(12),
            0.4 * Cube(13),
            12 * chance.Unit(14) * chance.Unit(15) / turns
        );
    }
}

/// <summary>The faults of a seed: of each turn a function of its number, so that leaving one out moves no
/// other.</summary>
internal sealed class DrawnFaults(ulong seed, FaultRates rates) : IFaults
{
    private static readonly FaultKind[] worldly =
    [
        FaultKind.CrashSender,
        FaultKind.CrashReceiver,
        FaultKind.CrashReceiver,
        FaultKind.CrashCoordinator,
        FaultKind.CrashSilo,
        FaultKind.JoinSilo,
        FaultKind.JoinSilo,
        FaultKind.LeaveSilo,
        FaultKind.SecondCoordinator,
        FaultKind.Interrupt,
        FaultKind.PassDeadline,
        FaultKind.StoreDown,
        FaultKind.DamageCheckpoint,
        FaultKind.ObjectSilo,
        FaultKind.AcceptSilo,
        FaultKind.DamageScores,
    ];

    private readonly CounterRandom chance = new(seed, RandomPurpose.Simulation, 4);

    public void Decide(int turn, ActorRole to, ICollection<Fault> faults)
    {
        var bits = chance.Bits((ulong)turn);
        var (message, world) = ((uint)bits / (double)(1UL << 32), (bits >> 32) / (double)(1UL << 32));
        if (to == ActorRole.Store && message < rates.Store)
            faults.Add(new(turn, message < rates.Store / 2 ? FaultKind.RefuseRequest : FaultKind.TearWrite));
        else if (message < rates.Loss)
            faults.Add(new(turn, FaultKind.Lose));
        else if (message < rates.Loss + rates.Repeat)
            faults.Add(new(turn, turn % 2 == 0 ? FaultKind.Repeat : FaultKind.RepeatLate));
        else if (message < rates.Loss + rates.Repeat + rates.Delay)
            faults.Add(new(turn, turn % 2 == 0 ? FaultKind.Delay : FaultKind.Overtake));
        if (world >= rates.World)
            return;
        var choice = (uint)chance.Bits((1UL << 40) + (ulong)turn);
        faults.Add(new(turn, worldly[choice % worldly.Length], choice / (uint)worldly.Length));
    }
}

/// <summary>Keeps what others decide.</summary>
internal sealed class RecordedFaults(IFaults others) : IFaults
{
    public List<Fault> Faults { get; } = [];

    public void Decide(int turn, ActorRole to, ICollection<Fault> faults)
    {
        var before = faults.Count;
        others.Decide(turn, to, faults);
        Faults.AddRange(faults.Skip(before));
    }
}
