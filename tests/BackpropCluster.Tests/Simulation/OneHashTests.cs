using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Simulation;

namespace BackpropCluster.Tests.Simulation;

/// <summary>Promise one: the same bits, however a model is cut and whatever happens to its messages.</summary>
/// <remarks>7-13-11-3, so that no shard size divides a layer; twelve rows, two of them held out, so that batches of
/// five end in full and microbatches of a batch of one are empty but for one.</remarks>
public class OneHashTests
{
    private const int Histories = 200;

    [Theory]
    [InlineData(UpdateOrder.AfterBackward, 1, 1)]
    [InlineData(UpdateOrder.AfterBackward, 1, 2)]
    [InlineData(UpdateOrder.AfterBackward, 1, 3)]
    [InlineData(UpdateOrder.AfterBackward, 5, 1)]
    [InlineData(UpdateOrder.AfterBackward, 5, 2)]
    [InlineData(UpdateOrder.AfterBackward, 5, 3)]
    [InlineData(UpdateOrder.DuringBackward, 1, 1)]
    [InlineData(UpdateOrder.DuringBackward, 5, 1)]
    public void EveryCutAndEveryHistoryEndsInTheReferencesBits(UpdateOrder update, int batch, int microbatches)
    {
        var spec = Runs.Uneven(batch, update, microbatches);
        var data = Data(spec);
        var reference = ReferenceTrainer.Train(spec, data);
        var faults = new Faults();
        foreach (var granularity in (Granularity[])[Granularity.Neuron, new(3), Granularity.Layer])
            for (ulong seed = 0; seed < Histories; seed++)
            {
                var (exchanges, rule) = (1 + (int)(seed % 4), (PlacementRule)(seed / 4 % 4));
                var plan = Runs.Plan(spec, data, granularity) with { Placement = rule };
                var carrier = new DeterministicSimulator(
                    plan,
                    data,
                    DeterministicSimulator.Product,
                    new Disturbance(0.2, 2, 2),
                    seed,
                    exchanges: exchanges
                );
                AssertSame(
                    reference,
                    carrier.Run(),
                    $"{granularity} shards, {exchanges} exchanges, {rule}, history {seed}: "
                        + $"{carrier.Coordinator.Failure?.Reason}"
                );
                faults.Add(carrier);
            }

        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{update}, batch {batch}, {microbatches} microbatches, {3 * Histories} histories: {faults}"
        );
        Assert.True(faults.AllKindsHappened, $"a fault that never happens proves nothing: {faults}");
    }

    public static TheoryData<Activation, int> Activations =>
        [.. Enum.GetValues<Activation>().SelectMany(activation => new[] { (activation, 1), (activation, 2) })];

    /// <summary>Also where the derivative needs the nets: they are kept from forward to backward, of each
    /// microbatch.</summary>
    [Theory, MemberData(nameof(Activations))]
    public void EveryActivationEndsInTheReferencesBits(Activation activation, int microbatches)
    {
        var uneven = Runs.Uneven(batch: 5, microbatches: microbatches);
        var layers = uneven.Model.Layers.Select((l, i) => i < 2 ? l with { Activation = activation } : l);
        var spec = uneven with { Model = uneven.Model with { Layers = [.. layers] } };
        var data = Data(spec);
        var plan = Runs.Plan(spec, data, new(3));
        var carrier = new DeterministicSimulator(
            plan,
            data,
            DeterministicSimulator.Product,
            new Disturbance(0.2, 2, 2),
            1,
            exchanges: 2
        );
        AssertSame(ReferenceTrainer.Train(spec, data), carrier.Run(), $"{activation}");
    }

    [Fact]
    public void WithoutFaultsNothingIsComputedTwice()
    {
        var spec = Runs.Uneven(batch: 5);
        var data = Data(spec);
        var carrier = new DeterministicSimulator(
            Runs.Plan(spec, data, new(3)),
            data,
            DeterministicSimulator.Product,
            Disturbance.None,
            1
        );
        AssertSame(ReferenceTrainer.Train(spec, data), carrier.Run(), "undisturbed");
        Assert.Equal(
            (0, 0, 0, 0, 0),
            (
                carrier.Lost,
                carrier.Repeated,
                carrier.Crashed,
                carrier.Coordinator.Recoveries,
                carrier.Coordinator.ReplayedSteps
            )
        );
    }

    [Fact]
    public void OneSeedIsOneHistory()
    {
        var spec = Runs.Uneven(batch: 5);
        var data = Data(spec);
        (int, int, int, int, int) History(ulong seed)
        {
            var carrier = new DeterministicSimulator(
                Runs.Plan(spec, data, Granularity.Neuron),
                data,
                DeterministicSimulator.Product,
                new Disturbance(0.2, 2, 2),
                seed
            );
            carrier.Run();
            return (
                carrier.Delivered,
                carrier.Lost,
                carrier.Repeated,
                carrier.Crashed,
                carrier.Coordinator.ReplayedSteps
            );
        }

        Assert.Equal(History(1), History(1));
        Assert.NotEqual(History(1), History(2));
    }

    [Fact]
    public void AnotherSeedOfTheModelOrAnotherUpdateOrderIsAnotherHash()
    {
        var spec = Runs.Uneven(batch: 5);
        RunSpec[] others =
        [
            spec,
            spec with
            {
                Seed = 8,
            },
            Runs.Uneven(batch: 5, UpdateOrder.DuringBackward),
            Runs.Uneven(batch: 1),
            Runs.Uneven(batch: 5, epochs: 2),
        ];
        Assert.Equal(
            others.Length,
            others.Select(other => ReferenceTrainer.Train(other, Data(other)).WeightsSha256).Distinct().Count()
        );
    }

    // Taken down once on x86-64 and found again with 512-bit and 256-bit vectors and without any: a run must not end in
    // other bits on another machine. A change of the arithmetic on purpose changes these, and every hash that anybody
    // wrote down.
    [Theory]
    [InlineData(UpdateOrder.AfterBackward, "db383ad8d29dcf71")]
    [InlineData(UpdateOrder.DuringBackward, "fb75d518c5433ca1")]
    public void TheHashIsTheSameOnEveryMachine(UpdateOrder update, string firstDigits)
    {
        var spec = Runs.Uneven(batch: 5, update, epochs: 10);
        Assert.Equal(firstDigits, ReferenceTrainer.Train(spec, Data(spec)).WeightsSha256[..16]);
    }

    // Six training rows in batches of four: the last batch's two rows leave one of three microbatches empty, in a layer
    // wider than two vectors.
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(40)]
    public void AMicrobatchWithoutRowsAddsNothing(int unitsPerShard)
    {
        var spec = Runs.Uneven(batch: 4, microbatches: 3) with
        {
            Model = new ModelSpec
            {
                Layers = [Runs.Layer(40, Activation.Tanh), Runs.Layer(3, Activation.Logistic)],
                Loss = LossKind.HalfSquaredError,
            },
        };
        var data = Dataset.Prepare(Runs.SevenFeatures(7), spec.Data, spec.Seed, 3);
        Assert.Equal(6, data.Training.Count);
        var carrier = new DeterministicSimulator(
            Runs.Plan(spec, data, new(unitsPerShard)),
            data,
            DeterministicSimulator.Product,
            Disturbance.None,
            1
        );
        AssertSame(ReferenceTrainer.Train(spec, data), carrier.Run(), "an empty microbatch");
    }

    // More rows than travel in one chunk, in file order, over the end of the file.
    [Theory]
    [InlineData(Evaluation.TestRowsEachEpoch)]
    [InlineData(Evaluation.TrainingRowsAtTheEnd)]
    public void EvaluationInChunksGivesTheReferencesScores(Evaluation evaluation)
    {
        var spec = Runs.Uneven(batch: 90, epochs: 2);
        spec = spec with
        {
            Data = spec.Data with { Test = 0.5, Shuffle = false },
            Training = spec.Training with { Evaluation = evaluation },
        };
        var data = Dataset.Prepare(Runs.SevenFeatures(2 * EvaluationRows.ChunkRows + 90), spec.Data, spec.Seed, 3);
        Assert.Equal(2, EvaluationRows.Chunks(Runs.Plan(spec, data, Granularity.Layer)));
        var reference = ReferenceTrainer.Train(spec, data);
        for (ulong seed = 0; seed < 20; seed++)
        {
            var carrier = new DeterministicSimulator(
                Runs.Plan(spec, data, new(5)),
                data,
                DeterministicSimulator.Product,
                new Disturbance(0.2, 2, 2),
                seed
            );
            AssertSame(reference, carrier.Run(), $"history {seed}: {carrier.Coordinator.Failure?.Reason}");
        }
    }

    private static Dataset Data(RunSpec spec) => Dataset.Prepare(Runs.SevenFeatures(), spec.Data, spec.Seed, 3);

    private static void AssertSame(TrainingResult reference, TrainingResult? result, string situation)
    {
        Assert.True(result is not null, situation);
        Assert.True(
            reference.WeightsSha256 == result.WeightsSha256,
            $"{situation}: {result.WeightsSha256} instead of {reference.WeightsSha256}"
        );
        Assert.Equal(reference.Steps, result.Steps);
        Assert.Equal(reference.Evaluations, result.Evaluations);
        Assert.NotEmpty(result.Evaluations);
    }

    private sealed class Faults
    {
        private long delivered,
            lost,
            repeated,
            crashed,
            recovered,
            replayed;

        public bool AllKindsHappened => lost > 0 && repeated > 0 && crashed > 0 && recovered > 0 && replayed > 0;

        public void Add(DeterministicSimulator carrier)
        {
            delivered += carrier.Delivered;
            lost += carrier.Lost;
            repeated += carrier.Repeated;
            crashed += carrier.Crashed;
            recovered += carrier.Coordinator.Recoveries;
            replayed += carrier.Coordinator.ReplayedSteps;
        }

        public override string ToString() =>
            $"{delivered} delivered, {repeated} repeated, {lost} lost, {crashed} crashes, {recovered} recoveries, "
            + $"{replayed} steps replayed";
    }
}
