using BackpropCluster.Cli.Runs;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Simulation;

namespace BackpropCluster.Tests.Simulation;

/// <summary>Promise two: whatever ends a run in the middle, it goes on from its newest checkpoint to the same
/// bits.</summary>
public class ResumedRunTests
{
    private static readonly Granularity[] Cuts = [Granularity.Neuron, new(3), Granularity.Layer];

    public static TheoryData<OptimizerKind, int> Optimizers() =>
        new()
        {
            { OptimizerKind.Sgd, 1 },
            { OptimizerKind.Sgd, 3 },
            { OptimizerKind.Adagrad, 1 },
            { OptimizerKind.RmsProp, 2 },
            { OptimizerKind.Adam, 1 },
            { OptimizerKind.AdamW, 1 },
        };

    // Everything but the store vanishes after a random number of deliveries, again and again, each time under another
    // cut.
    [Theory, MemberData(nameof(Optimizers))]
    public void CutOffAtAnyMessageAndResumedInAnotherCutItEndsInTheSameBits(OptimizerKind kind, int every)
    {
        var (spec, data) = Run(kind);
        var reference = ReferenceTrainer.Train(spec, data);
        var (stops, resumed) = (0, 0);
        for (ulong seed = 0; seed < 30; seed++)
        {
            var (store, chance) = (new MemoryStore(), new CounterRandom(seed, RandomPurpose.Simulation, 5));
            TrainingResult? result = null;
            for (ulong life = 0; result is null; life++)
            {
                var plan = Runs.Plan(spec, data, Cuts[chance.Below(Cuts.Length, 2 * life)]) with
                {
                    Checkpoints = new CheckpointRule(every, TimeSpan.Zero),
                };
                var carrier = new DeterministicSimulator(
                    plan,
                    data,
                    DeterministicSimulator.Product,
                    new Disturbance(0.1, 1, 1),
                    seed * 100 + life,
                    store,
                    exchanges: 1 + (int)((seed + life) % 3)
                );
                // Long lives in the end, or a history could have none that reaches the next checkpoint.
                result = carrier.Run(
                    life < 8 ? chance.Below((int)(6 * plan.MessagesPerStep), 2 * life + 1) : int.MaxValue
                );
                Assert.True(
                    carrier.Coordinator.Status != RunStatus.Failed,
                    $"history {seed}, life {life}: {carrier.Coordinator.Failure?.Reason}"
                );
                if (result is null)
                    stops++;
                if (carrier.Coordinator.FirstVersion > 0)
                    resumed++;
            }

            AssertSame(reference, result, $"history {seed}");
        }

        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{kind}, saved every {every} steps: {stops} stops, {resumed} lives began at a checkpoint"
        );
        Assert.True(stops >= 20 && resumed >= 20, $"{stops} stops and {resumed} resumed lives prove nothing");
    }

    [Fact]
    public void ARecoveryComputesAgainOnlyWhatCameAfterTheCheckpoint()
    {
        var (spec, data) = Run(OptimizerKind.Adam);
        var reference = ReferenceTrainer.Train(spec, data);
        var recoveries = 0;
        for (ulong seed = 0; seed < 200; seed++)
        {
            var store = new MemoryStore();
            var plan = Runs.Plan(spec, data, new(5)) with { Checkpoints = new CheckpointRule(2, TimeSpan.Zero) };
            var carrier = new DeterministicSimulator(
                plan,
                data,
                DeterministicSimulator.Product,
                new Disturbance(0, 2, 2),
                seed,
                store
            );
            AssertSame(reference, carrier.Run()!, $"history {seed}: {carrier.Coordinator.Failure?.Reason}");
            Assert.True(
                carrier.Coordinator.ReplayedSteps <= 2 * carrier.Coordinator.Recoveries,
                $"history {seed}: {carrier.Coordinator.ReplayedSteps} steps replayed in "
                    + $"{carrier.Coordinator.Recoveries} recoveries"
            );
            recoveries += carrier.Coordinator.Recoveries;
        }

        Assert.True(recoveries > 100, $"{recoveries} recoveries prove nothing");
    }

    [Fact]
    public void AnInterruptedRunSavesItsVersionAndGoesOnFromThere()
    {
        var (spec, data) = Run(OptimizerKind.RmsProp);
        var store = new MemoryStore();
        var plan = Runs.Plan(spec, data, Granularity.Neuron) with
        {
            Checkpoints = new CheckpointRule(100, TimeSpan.Zero),
        };
        var carrier = new DeterministicSimulator(
            plan,
            data,
            DeterministicSimulator.Product,
            Disturbance.None,
            1,
            store
        );
        carrier.Run(deliveries: 500);
        carrier.Coordinator.Interrupt();
        Assert.Null(carrier.Run());
        Assert.Equal(RunStatus.Interrupted, carrier.Coordinator.Status);
        Assert.InRange(carrier.Coordinator.SavedVersion, 1, carrier.Coordinator.Steps - 1);

        var resumed = new DeterministicSimulator(
            plan with
            {
                Granularity = Granularity.Layer,
            },
            data,
            DeterministicSimulator.Product,
            Disturbance.None,
            2,
            store
        );
        AssertSame(ReferenceTrainer.Train(spec, data), resumed.Run()!, "resumed");
        Assert.Equal(
            (carrier.Coordinator.SavedVersion, 0),
            (resumed.Coordinator.FirstVersion, resumed.Coordinator.ReplayedSteps)
        );
        Assert.Equal([carrier.Coordinator.SavedVersion, resumed.Coordinator.Steps], store.Versions);
    }

    [Fact]
    public void ACompletedRunIsOnlyReadAgain()
    {
        var (spec, data) = Run(OptimizerKind.Adam);
        var store = new MemoryStore();
        var plan = Runs.Plan(spec, data, new(3)) with { Checkpoints = new CheckpointRule(0, TimeSpan.FromHours(1)) };
        var first = new DeterministicSimulator(
            plan,
            data,
            DeterministicSimulator.Product,
            Disturbance.None,
            1,
            store
        ).Run()!;
        var again = new DeterministicSimulator(plan, data, DeterministicSimulator.Product, Disturbance.None, 2, store);
        AssertSame(first, again.Run()!, "read again");
        Assert.Equal(
            (again.Coordinator.Steps, 0, 3),
            (again.Coordinator.FirstVersion, again.Coordinator.ReplayedSteps, again.Coordinator.Silos.Length + 2)
        );
    }

    private static (RunSpec Spec, Dataset Data) Run(OptimizerKind kind)
    {
        var optimizer = OptimizerSpec.Defaults(kind, 0.05);
        optimizer = optimizer switch
        {
            Sgd sgd => sgd with { Momentum = 0.9 },
            RmsProp rmsprop => rmsprop with { Momentum = 0.9 },
            _ => optimizer,
        };
        var spec = Runs.Uneven(batch: 5, epochs: 4) with { Optimizer = optimizer };
        return (spec, Dataset.Prepare(Runs.SevenFeatures(), spec.Data, spec.Seed, 3));
    }

    private static void AssertSame(TrainingResult reference, TrainingResult result, string situation)
    {
        Assert.True(
            reference.WeightsSha256 == result.WeightsSha256,
            $"{situation}: {result.WeightsSha256} instead of {reference.WeightsSha256}"
        );
        Assert.Equal(reference.Steps, result.Steps);
        Assert.Equal(reference.Evaluations, result.Evaluations);
    }
}
