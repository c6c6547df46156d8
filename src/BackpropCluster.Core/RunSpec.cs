using System.Collections.Immutable;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core;

/// <summary>What a run file says about the training itself: with the data and the seed it determines every bit of the
/// result.</summary>
/// <remarks>How the run is cut and placed is not in here (<see cref="Protocol.Granularity"/>): it must not be able to
/// change a result.</remarks>
[GenerateSerializer, Immutable, Alias("run-spec")]
public sealed record RunSpec
{
    [Id(0)]
    public required string Name { get; init; }

    [Id(1)]
    public required ulong Seed { get; init; }

    [Id(2)]
    public required DataSpec Data { get; init; }

    [Id(3)]
    public required ModelSpec Model { get; init; }

    [Id(4)]
    public required OptimizerSpec Optimizer { get; init; }

    [Id(5)]
    public required TrainingSpec Training { get; init; }
}

/// <summary>Which rows there are, and how they travel.</summary>
[GenerateSerializer, Immutable, Alias("data-spec")]
public sealed record DataSpec
{
    [Id(0)]
    public required DataSource Source { get; init; }

    /// <summary>Rows of one step; <see langword="null"/> means all training rows.</summary>
    [Id(1)]
    public int? Batch { get; init; }

    /// <summary>Into how many parts the rows of a step are cut; each travels by itself.</summary>
    [Id(2)]
    public int Microbatches { get; init; } = 1;

    /// <summary>A new row order each epoch; without it rows come in file order and a batch wraps at the end of the
    /// file.</summary>
    [Id(3)]
    public bool Shuffle { get; init; } = true;

    /// <summary>Share of the rows held out for evaluation, 0 ≤ share &lt; 1.</summary>
    [Id(4)]
    public double Test { get; init; }

    [Id(5)]
    public Scaling Scale { get; init; }

    /// <summary>Where the rows lie, for sources that are files.</summary>
    [Id(6)]
    public IdxFiles? Idx { get; init; }

    [Id(7)]
    public CsvFile? Csv { get; init; }
}

/// <summary>A file of comma-separated values.</summary>
/// <param name="File">Where it lies.</param>
/// <param name="Header">Whether the first record names the columns.</param>
/// <param name="Targets">Names or indices (from 0) of the target columns, separated by line breaks; all other columns
/// are inputs.</param>
/// <param name="Classes">How many classes the one target column has; <see langword="null"/> where targets are real
/// numbers.</param>
[GenerateSerializer, Immutable, Alias("csv-file")]
public sealed record CsvFile(
    [property: Id(0)] string File,
    [property: Id(1)] bool Header,
    [property: Id(2)] string Targets,
    [property: Id(3)] int? Classes
)
{
    /// <summary>One text, so that equal files are equal records: what was read is looked up by them.</summary>
    public string[] TargetColumns => Targets.Split('\n');
}

/// <summary>Four IDX files; without the last two, the test share decides which rows are held out.</summary>
[GenerateSerializer, Immutable, Alias("idx-files")]
public sealed record IdxFiles(
    [property: Id(0)] string Images,
    [property: Id(1)] string Labels,
    [property: Id(2)] string? TestImages,
    [property: Id(3)] string? TestLabels
);

/// <summary>The layers in order, the first one after the inputs first, and the loss at their end.</summary>
[GenerateSerializer, Immutable, Alias("model-spec")]
public sealed record ModelSpec
{
    [Id(0)]
    public required ImmutableArray<LayerSpec> Layers { get; init; }

    [Id(1)]
    public required LossKind Loss { get; init; }

    /// <summary>How many values layer <paramref name="layer"/> (1, 2, …) takes from below, where the data have
    /// <paramref name="features"/>.</summary>
    public int InputsOf(int layer, int features) => layer == 1 ? features : Layers[layer - 2].Units;

    /// <summary>Weights and biases of the whole model.</summary>
    public long Parameters(int features)
    {
        long sum = 0;
        for (var layer = 1; layer <= Layers.Length; layer++)
            sum += Layers[layer - 1].Units * (InputsOf(layer, features) + 1L);
        return sum;
    }
}

/// <summary>One dense layer.</summary>
[GenerateSerializer, Immutable, Alias("layer-spec")]
public sealed record LayerSpec
{
    [Id(0)]
    public required int Units { get; init; }

    [Id(1)]
    public required Activation Activation { get; init; }

    [Id(2)]
    public WeightInit Init { get; init; }

    [Id(3)]
    public bool TrainBias { get; init; } = true;

    /// <summary>Parameters to begin with instead of <see cref="Init"/>'s.</summary>
    [Id(4)]
    public GivenParameters? Given { get; init; }

    /// <summary>Weight from input <paramref name="i"/> to unit <paramref name="o"/> before the first step.</summary>
    public double InitialWeight(ulong seed, int layer, int inputs, int o, int i) =>
        Given is null ? Init.Weight(seed, layer, Units, inputs, o, i) : Given.Weights[o * inputs + i];

    /// <summary>Bias of unit <paramref name="o"/> before the first step.</summary>
    public double InitialBias(int layer, int o) => Given is null ? Init.Bias(layer) : Given.Biases[o];
}

/// <summary>A layer's parameters from outside.</summary>
/// <param name="Weights">W: units × inputs, row-major.</param>
/// <param name="Biases">One per unit.</param>
/// <param name="File">Where they were read, for whoever writes the run down.</param>
[GenerateSerializer, Immutable, Alias("given-parameters")]
public sealed record GivenParameters(
    [property: Id(0)] ImmutableArray<double> Weights,
    [property: Id(1)] ImmutableArray<double> Biases,
    [property: Id(2)] string File = ""
);

/// <summary>How long, in which update order, and what is evaluated.</summary>
[GenerateSerializer, Immutable, Alias("training-spec")]
public sealed record TrainingSpec
{
    [Id(0)]
    public required int Epochs { get; init; }

    [Id(1)]
    public UpdateOrder Update { get; init; }

    [Id(2)]
    public Evaluation Evaluation { get; init; }

    /// <summary>Ends the run early; <see langword="null"/> trains all epochs.</summary>
    [Id(3)]
    public StopRule? Stop { get; init; }
}

/// <summary>What a run is to reach: with the first evaluation that does, it ends.</summary>
[GenerateSerializer, Immutable, Alias("stop-rule")]
public sealed record StopRule([property: Id(0)] StopMetric Metric, [property: Id(1)] double At)
{
    public bool IsMet(Learning.BatchMetrics test) =>
        Metric == StopMetric.TestAccuracy ? test.Accuracy >= At : test.Loss <= At;
}

public enum StopMetric
{
    /// <summary>At least so much.</summary>
    TestAccuracy,

    /// <summary>At most so much.</summary>
    TestLoss,
}

/// <summary>Which steps carry a trace context in their keys: the first <see cref="First"/>, and then every
/// <see cref="Every"/>th. Cannot change a result.</summary>
/// <param name="First">From step 1.</param>
/// <param name="Every">0 traces none beyond the first.</param>
/// <param name="Detail">What parts tell of such a step.</param>
/// <param name="MaxSpans">Spans of one trace; what exceeds them is rolled up, layer by layer.</param>
/// <param name="Orleans">Whether Orleans' own spans are exported too, below the roots of these steps.</param>
[GenerateSerializer, Immutable, Alias("trace-spec")]
public sealed record TraceSpec(
    [property: Id(0)] int First,
    [property: Id(1)] int Every,
    [property: Id(2)] TraceDetail Detail = TraceDetail.Numbers,
    [property: Id(3)] int MaxSpans = 2000,
    [property: Id(4)] bool Orleans = false
)
{
    public static TraceSpec None { get; } = new(0, 0);

    public bool Samples(int step) => step <= First || (Every > 0 && step % Every == 0);
}

/// <summary>What parts tell of a traced step.</summary>
public enum TraceDetail : byte
{
    /// <summary>That they computed, and of what shape.</summary>
    Times,

    /// <summary>Every number as well, as the tutorial does: for small models, since all are copied.</summary>
    Numbers,
}

/// <summary>When a shard's outgoing weights change, seen from its own backward pass (design §3).</summary>
public enum UpdateOrder
{
    /// <summary>S uses the weights of the forward pass; all weights change after the last delta. The tutorial's
    /// rule.</summary>
    AfterBackward,

    /// <summary>The outgoing weights change before S is computed. The order that made some of the tutorial's printed
    /// numbers.</summary>
    DuringBackward,
}

/// <summary>Which rows evaluation passes run over.</summary>
public enum Evaluation
{
    /// <summary>The held-out rows, after each epoch; nothing where no row is held out.</summary>
    TestRowsEachEpoch,

    /// <summary>The training rows, once, after the last update.</summary>
    TrainingRowsAtTheEnd,
}
