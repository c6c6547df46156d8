using System.Collections.Immutable;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Data;
using BackpropCluster.Grains.Silos;
using BackpropCluster.Grains.Telemetry;
using BackpropCluster.Grains.Wire;

namespace BackpropCluster.Tests.Wire;

/// <summary>One instance of every type that crosses a process border or is stored, each member with a value of its own:
/// two members that change places change the bytes.</summary>
internal static class WireSamples
{
    public static MessageKey Key { get; } =
        new(0xF1F2F3F4F5F6F7F8, 3, 17, Phase.Save, 2, ActorId.Shard(4, 5), new TraceContext(0x1111, 0x2222, 0x3333));

    public static RunSpec Spec { get; } =
        new()
        {
            Name = "sample",
            Seed = 0x5EED,
            Data = new DataSpec
            {
                Source = DataSource.Csv,
                Batch = 32,
                Microbatches = 4,
                Shuffle = true,
                Test = 0.25,
                Scale = Scaling.Standard,
                Idx = new IdxFiles("images.gz", "labels.gz", "test-images.gz", "test-labels.gz"),
                Csv = new CsvFile("rows.csv", true, "a\nb", 3),
            },
            Model = new ModelSpec { Layers = [Layer], Loss = LossKind.MeanSquaredError },
            Optimizer = Optimizer,
            Training = Training,
        };

    public static RunPlan Plan { get; } =
        new()
        {
            Run = "20261127-sample-0123456789",
            Fingerprint = 0xA1A2A3A4A5A6A7A8,
            Spec = Spec,
            Granularity = new Granularity(16),
            Features = 2,
            TrainingRows = 75,
            TestRows = 25,
            HasClasses = true,
            Checkpoints = new CheckpointRule(200, TimeSpan.FromSeconds(30), 5),
            Placement = PlacementRule.ByShard,
            DataSha256 = "d00d",
            Version = "0.2.0",
            GiveUpAfter = TimeSpan.FromMinutes(7),
            Trace = new TraceSpec(3, 50, TraceDetail.Numbers, 2001, true),
        };

    public static Checkpoint Checkpoint { get; } =
        new(
            200,
            new Granularity(16),
            ["00aa", "00bb"],
            [new BatchMetrics(0.5, 30, 32), new BatchMetrics(0.25, null, 31)],
            [new EvaluationMetrics(199, new BatchMetrics(0.125, 20, 25))],
            ["S127.0.0.1:11111:1"]
        );

    public static ShardSnapshot Snapshot { get; } = new(Parameters, Numbers(2, 2, 0.5), Numbers(2, 1, 0.75));

    /// <summary>Every message and record, and what they are made of.</summary>
    public static ImmutableArray<object> All { get; } =
    [.. Messages(), .. OfRuns(), .. OfCheckpoints(), .. OfSilos(), .. OfSpecs()];

    private static LayerSpec Layer =>
        new()
        {
            Units = 2,
            Activation = Activation.Relu,
            Init = WeightInit.GlorotUniform,
            TrainBias = true,
            Given = new GivenParameters([0.1, -0.2, 0.3, -0.0], [1.5, 2.5], "initial.safetensors"),
        };

    private static Adam Optimizer =>
        new()
        {
            LearningRate = 0.01,
            WeightDecay = 0.04,
            Schedule = Schedule,
            Beta1 = 0.05,
            Beta2 = 0.06,
            Eps = 0.07,
            IsDecoupled = true,
        };

    private static Schedule Schedule =>
        new()
        {
            Kind = ScheduleKind.Cosine,
            WarmUp = 11,
            Every = 12,
            Factor = 0.13,
            Over = 14,
            Final = 0.15,
        };

    private static TrainingSpec Training =>
        new()
        {
            Epochs = 9,
            Update = UpdateOrder.DuringBackward,
            Evaluation = Evaluation.TrainingRowsAtTheEnd,
            Stop = new StopRule(StopMetric.TestLoss, 0.97),
        };

    private static Placement Placement =>
        new(["S127.0.0.1:11111:1", "S127.0.0.1:11112:2"], [0, 1, 0], "S127.0.0.1:11113:3");

    private static CheckpointId Id => new(201, 6, "00cc");

    private static ShardParameters Parameters => new(Numbers(2, 2, 0.25), Numbers(2, 1, 0.375), 0xABCD, 0xEF01);

    private static ShardRange Range => new(1, 2, 32, 16);

    private static SavedShard SavedShard => new(ActorId.Shard(1, 2), "00dd", 0x1234, 0x5678);

    private static Payload Numbers(int units, int rows, double first) =>
        new(units, rows, [.. Enumerable.Range(0, units * rows).Select(i => first + i)]);

    private static IEnumerable<object> Messages() =>
        [
            new Restore(Key, Plan, Placement, Id),
            new Restored(Key),
            new Advance(Key),
            new Evaluate(Key),
            new Activations(Key, Numbers(2, 3, 0.5)),
            new Deltas(Key, Numbers(3, 2, -0.5)),
            new Ready(Key),
            new Report(Key, new BatchMetrics(0.5, 30, 32)),
            new NeedRestore(Key),
            new Failure(Key, FailureKind.Data, "no such file") { Silo = "S127.0.0.1:11112:2" },
            new Save(Key),
            new SaveShard(Key, Range, Snapshot),
            new Saved(Key, [SavedShard]),
            new AcquireLeadership(Key, Plan),
            new LeadershipGranted(Key, Id, Checkpoint, ["head-1 is missing"]),
            new CommitCheckpoint(Key, Checkpoint),
            new CheckpointCommitted(Key),
            new StoreFailed(Key, StoreFault.Unavailable, "no answer"),
            Key,
            Key.From,
            Key.Trace,
        ];

    private static IEnumerable<object> OfRuns() =>
        [
            Plan,
            Plan.Granularity,
            Placement,
            Range,
            new Traffic(100, 200, 300, 400),
            new RunRecord(Plan, TimeSpan.FromSeconds(10), "version: 1\n", RunStatus.Failed, "the disk is full", 150),
            new RunEntry("sample", RunStatus.Interrupted),
            new RunIndex([new RunEntry("one", RunStatus.Completed), new RunEntry("two", RunStatus.Training)]),
            new RecordPiece([1, 2, 3], 4),
            new RunProgress
            {
                Status = RunStatus.Saving,
                Term = 3,
                CommittedSteps = 101,
                Steps = 102,
                Epoch = 4,
                NewLosses = [new BatchMetrics(0.5, 30, 32)],
                NewEvaluations = [new EvaluationMetrics(100, new BatchMetrics(0.25, 20, 25))],
                Recoveries = 5,
                ReplayedSteps = 6,
                StaleMessages = 7,
                Elapsed = TimeSpan.FromSeconds(8),
                Failure = new Failure(Key, FailureKind.Lost, "given up"),
                Placement = Placement,
                FirstVersion = 9,
                SavedVersion = 10,
                Warnings = ["a checkpoint is broken"],
                Moves = 11,
                NewTraces =
                [
                    [1, 2],
                    [3],
                ],
                PendingTraces = 12,
                EarlierTraces = 13,
                Paused = "the store does not answer",
                Leader = 14,
                HasMore = true,
                LastRecovery = "a silo was lost",
            },
        ];

    private static IEnumerable<object> OfCheckpoints() =>
        [
            Plan.Checkpoints,
            Id,
            Checkpoint,
            Snapshot,
            SavedShard,
            Parameters,
            Numbers(2, 3, 0.5),
            new MetricsBlock(Checkpoint.Losses, Checkpoint.Evaluations),
            new RunManifest(0xB1B2, 7, 8, [Id], [new CheckpointId(100, 5, "00ee")]),
            new StoredCheckpoint(Checkpoint, ["00ff"]),
            Checkpoint.Losses[0],
            Checkpoint.Evaluations[0],
        ];

    private static IEnumerable<object> OfSilos()
    {
        var span = new ShardSpan(StepPhase.Update, ActorId.Shard(1, 2), 32, 16, 3, 1_000, 2_000)
        {
            Rows = 8,
            AwaitedLast = "shard 1 of layer 2",
            Waited = 500,
            Net = [0.5],
            Output = [0.625],
            Delta = [-0.25],
            Count = 4,
            Shortest = 900,
            Longest = 1_100,
        };
        return
        [
            span,
            new StepSpans(Key, "silo-1", 999, [span]),
            // One run: an immutable dictionary lists several in the order of hashes that differ from process to
            // process.
            new SiloDescription(
                "silo-1",
                "S127.0.0.1:11111:1",
                "0.2.0",
                ImmutableDictionary<string, int>.Empty.Add("sample", 5),
                1L << 30,
                1L << 20
            ),
            new OnSiloPlacement(),
            new RunTakenException("sample"),
            new SiloRefusedException("silo a has other data"),
            new SiloLeavingException("silo-1"),
            new SiloFailedException(new InvariantViolationException("two heads")),
            new BrokenRecordException("12 bytes are too few"),
            new RecordFormatException(2),
            new StoreUnreachableException(new TimeoutException("no answer")),
        ];
    }

    private static IEnumerable<object> OfSpecs() =>
        [
            Spec,
            Spec.Data,
            Spec.Data.Idx!,
            Spec.Data.Csv!,
            Spec.Model,
            Layer,
            Layer.Given!,
            Optimizer,
            Schedule,
            new Sgd
            {
                LearningRate = 0.01,
                WeightDecay = 0.04,
                Schedule = Schedule,
                Momentum = 0.02,
                Dampening = 0.03,
                Nesterov = true,
            },
            new Adagrad
            {
                LearningRate = 0.01,
                WeightDecay = 0.04,
                Schedule = Schedule,
                LrDecay = 0.09,
                Eps = 0.07,
                InitialAccumulator = 0.11,
            },
            new RmsProp
            {
                LearningRate = 0.01,
                WeightDecay = 0.04,
                Schedule = Schedule,
                Alpha = 0.08,
                Eps = 0.07,
                Momentum = 0.02,
                Centered = true,
            },
            Training,
            Training.Stop!,
            Plan.Trace,
        ];
}
