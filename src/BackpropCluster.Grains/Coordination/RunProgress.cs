using System.Collections.Immutable;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Grains.Coordination;

/// <summary>Where a run stands.</summary>
[GenerateSerializer, Immutable, Alias("run-progress")]
public sealed record RunProgress
{
    /// <summary>The most metrics of one answer: a client that comes late to a long run is told its history page by
    /// page, or the answer would become longer than a message may be.</summary>
    public const int MaxMetrics = 1 << 16;

    [Id(0)]
    public required RunStatus Status { get; init; }

    [Id(1)]
    public required int Term { get; init; }

    /// <summary>Updates committed, and how many the run has.</summary>
    [Id(2)]
    public required int CommittedSteps { get; init; }

    [Id(3)]
    public required int Steps { get; init; }

    [Id(4)]
    public required int Epoch { get; init; }

    /// <summary>Metrics of the steps that the caller had not seen yet, in order; at most <see cref="MaxMetrics"/> of
    /// each.</summary>
    [Id(5)]
    public required ImmutableArray<BatchMetrics> NewLosses { get; init; }

    [Id(6)]
    public required ImmutableArray<EvaluationMetrics> NewEvaluations { get; init; }

    [Id(7)]
    public required int Recoveries { get; init; }

    [Id(8)]
    public required int ReplayedSteps { get; init; }

    [Id(9)]
    public required long StaleMessages { get; init; }

    /// <summary>Time since the first step began: silo start and data loading are not in it.</summary>
    [Id(10)]
    public required TimeSpan Elapsed { get; init; }

    [Id(11)]
    public Failure? Failure { get; init; }

    [Id(12)]
    public Placement? Placement { get; init; }

    /// <summary>The version that this leader began with: 0, or that of a checkpoint.</summary>
    [Id(13)]
    public int FirstVersion { get; init; }

    /// <summary>The newest version that a whole checkpoint holds.</summary>
    [Id(14)]
    public int SavedVersion { get; init; }

    /// <summary>Checkpoints that are broken or could not be written, one sentence each.</summary>
    [Id(15)]
    public ImmutableArray<string> Warnings { get; init; } = [];

    /// <summary>Times that actors moved at a step boundary because silos came or left.</summary>
    [Id(16)]
    public int Moves { get; init; }

    /// <summary>Traces that the caller had not seen yet, each as lines of OTLP/JSON; and how many wait for silos to
    /// tell.</summary>
    [Id(17)]
    public ImmutableArray<byte[]> NewTraces { get; init; } = [];

    [Id(18)]
    public int PendingTraces { get; init; }

    /// <summary>How many traces there were before the new ones.</summary>
    [Id(19)]
    public int EarlierTraces { get; init; }

    /// <summary>Why the run pauses; <see langword="null"/> while it does not.</summary>
    [Id(20)]
    public string? Paused { get; init; }

    /// <summary>Tells one coordinator of a run from the next: each counts for itself.</summary>
    [Id(21)]
    public int Leader { get; init; }

    /// <summary>Whether there are more metrics than went into this answer: the caller asks again at once.</summary>
    [Id(22)]
    public bool HasMore { get; init; }

    /// <summary>Why the run last went back to a checkpoint, if this leader had it do so.</summary>
    [Id(23)]
    public string? LastRecovery { get; init; }

    public bool IsOver => Status.IsOver();
}
