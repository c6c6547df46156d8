using System.Diagnostics.Metrics;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>Everything that is counted or measured: each name once, with its unit and the question that it
/// answers.</summary>
/// <remarks>Label values are few and fixed; no run's id is among them. What a shard does is measured in the steps that
/// are traced: a stopwatch round each message of each neuron would cost more than the message.</remarks>
public static class Metrics
{
    /// <summary>The meter's name, for whoever collects.</summary>
    public const string MeterName = "BackpropCluster";

    private static readonly Meter Meter = new(MeterName);

    /// <summary>Is training going on, and how fast?</summary>
    public static Counter<long> Steps { get; } =
        Meter.CreateCounter<long>("backprop.steps", "{step}", "Steps committed, replayed ones too");

    /// <summary>How many training rows a second?</summary>
    public static Counter<long> Rows { get; } =
        Meter.CreateCounter<long>("backprop.rows", "{row}", "Rows of committed steps");

    /// <summary>Is it learning? By set: train (the last batch), test (the last evaluation).</summary>
    public static Gauge<double> Loss { get; } = Meter.CreateGauge<double>("backprop.loss", "", "Loss, by set");

    /// <summary>How often is the right class named? By set, as above.</summary>
    public static Gauge<double> Accuracy { get; } =
        Meter.CreateGauge<double>("backprop.accuracy", "", "Share of rows whose class was named, by set");

    /// <summary>How long does a step take, from Advance to commit?</summary>
    public static Histogram<double> StepDuration { get; } =
        Histogram("backprop.step.duration", "A step, from Advance to its commit");

    /// <summary>Which part of a run takes the time? By phase: forward (until the loss is reported), backward (until
    /// every shard is ready), evaluate, save, restore.</summary>
    public static Histogram<double> PhaseDuration { get; } =
        Histogram("backprop.phase.duration", "A phase of a run, by phase");

    /// <summary>How long does a shard compute? By phase: forward, backward, update. Traced steps only.</summary>
    public static Histogram<double> ShardCompute { get; } =
        Histogram("backprop.shard.compute", "A shard's computing, by phase, in traced steps");

    /// <summary>How long does a layer wait for its last array after its first? By phase: forward, backward. Traced
    /// steps only.</summary>
    public static Histogram<double> LayerWait { get; } =
        Histogram("backprop.layer.wait", "From a layer's first array to its last, by phase, in traced steps");

    /// <summary>How long does a message wait for a thread? Traced steps only.</summary>
    public static Histogram<double> QueueWait { get; } =
        Histogram("backprop.queue.wait", "From sending a message within a silo to its turn, in traced steps");

    /// <summary>How much do actors talk? By kind (activations, deltas, control) and reach (local, remote).</summary>
    public const string Messages = "backprop.messages";

    /// <summary>How many bytes of arrays cross between silos? By kind.</summary>
    public const string RemoteBytes = "backprop.remote.bytes";

    /// <summary>How many arrays cross, each once to each silo? By kind.</summary>
    public const string Crossings = "backprop.crossings";

    /// <summary>Are runs saved? By outcome: written, failed.</summary>
    public static Counter<long> Checkpoints { get; } =
        Meter.CreateCounter<long>("backprop.checkpoints", "{checkpoint}", "Checkpoints, by outcome");

    /// <summary>Does something go wrong?</summary>
    public static Counter<long> Recoveries { get; } =
        Meter.CreateCounter<long>("backprop.recoveries", "{recovery}", "Times that a run went back to a saved step");

    /// <summary>Do runs change hands? By the loss of a coordinator's silo, by its leaving, or because somebody resumed
    /// a run.</summary>
    public static Counter<long> Takeovers { get; } =
        Meter.CreateCounter<long>(
            "backprop.takeovers",
            "{takeover}",
            "Times that a new coordinator went on with a run"
        );

    /// <summary>What do recoveries cost?</summary>
    public static Counter<long> ReplayedSteps { get; } =
        Meter.CreateCounter<long>("backprop.steps.replayed", "{step}", "Steps computed again");

    /// <summary>How often do actors move because silos come or leave?</summary>
    public static Counter<long> Moves { get; } =
        Meter.CreateCounter<long>("backprop.moves", "{move}", "Times that actors moved at a step boundary");

    /// <summary>Do messages of earlier terms still arrive? Some after a recovery are healthy.</summary>
    public static Counter<long> StaleMessages { get; } =
        Meter.CreateCounter<long>(
            "backprop.messages.stale",
            "{message}",
            "Messages that a coordinator dropped because their term or step was over"
        );

    /// <summary>Are traces whole? By fate: kept, rolled_up.</summary>
    public static Counter<long> Spans { get; } =
        Meter.CreateCounter<long>("backprop.spans", "{span}", "Spans of traced steps, by fate");

    /// <summary>How many actors does this silo hold?</summary>
    public const string Actors = "backprop.actors";

    /// <summary>How many members does this silo see?</summary>
    public const string Silos = "backprop.silos";

    /// <summary>Every name, for tests that compare dashboards with it.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        Steps.Name,
        Rows.Name,
        Loss.Name,
        Accuracy.Name,
        StepDuration.Name,
        PhaseDuration.Name,
        ShardCompute.Name,
        LayerWait.Name,
        QueueWait.Name,
        Messages,
        RemoteBytes,
        Crossings,
        Checkpoints.Name,
        Recoveries.Name,
        Takeovers.Name,
        ReplayedSteps.Name,
        Moves.Name,
        StaleMessages.Name,
        Spans.Name,
        Actors,
        Silos,
    ];

    /// <summary>An outcome of <see cref="Checkpoints"/>.</summary>
    public static KeyValuePair<string, object?> Written { get; } = new("outcome", "written");

    /// <summary>Likewise.</summary>
    public static KeyValuePair<string, object?> Failed { get; } = new("outcome", "failed");

    /// <summary>A run begins to be led here. Counters that first appear with their first event have no rate then, and a
    /// short run none at all.</summary>
    public static void Begin()
    {
        foreach (
            var counter in (Counter<long>[])[Steps, Rows, Recoveries, Takeovers, ReplayedSteps, Moves, StaleMessages]
        )
            counter.Add(0);
        Checkpoints.Add(0, Written);
        Checkpoints.Add(0, Failed);
    }

    // From 10 µs (a neuron) to 10 s: an exponential scale, so that one dashboard shows both.
    private static Histogram<double> Histogram(string name, string description) =>
        Meter.CreateHistogram(
            name,
            "s",
            description,
            advice: new InstrumentAdvice<double>
            {
                HistogramBucketBoundaries = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1, 3, 10],
            }
        );
}
