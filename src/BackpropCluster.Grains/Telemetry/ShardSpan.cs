using System.Collections.Immutable;
using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>What an actor does in a step.</summary>
public enum StepPhase : byte
{
    Forward,
    Loss,
    Backward,
    Update,
}

/// <summary>What one actor, or all rolled-up actors of a layer, did in one phase of a traced step.</summary>
/// <param name="Phase">Which.</param>
/// <param name="Actor">Who; of a roll-up the first.</param>
/// <param name="FirstUnit">Of the shard.</param>
/// <param name="Units">Of the shard; of a roll-up of all its shards.</param>
/// <param name="Microbatch">From 0.</param>
/// <param name="Start">Nanoseconds since 1970, on this silo's clock.</param>
/// <param name="End">Likewise.</param>
[GenerateSerializer, Immutable, Alias("slice-span")]
public sealed record ShardSpan(
    [property: Id(0)] StepPhase Phase,
    [property: Id(1)] ActorId Actor,
    [property: Id(2)] int FirstUnit,
    [property: Id(3)] int Units,
    [property: Id(4)] int Microbatch,
    [property: Id(5)] long Start,
    [property: Id(6)] long End
)
{
    [Id(7)]
    public int Rows { get; init; }

    /// <summary>Who was awaited last before it could compute, and how long after the first; empty where nobody
    /// was.</summary>
    [Id(8)]
    public string AwaitedLast { get; init; } = "";

    [Id(9)]
    public long Waited { get; init; }

    /// <summary>net and output, or delta, of a neuron; one number a row.</summary>
    [Id(10)]
    public ImmutableArray<double> Net { get; init; } = [];

    [Id(11)]
    public ImmutableArray<double> Output { get; init; } = [];

    [Id(12)]
    public ImmutableArray<double> Delta { get; init; } = [];

    /// <summary>How many spans this one stands for.</summary>
    [Id(13)]
    public int Count { get; init; } = 1;

    [Id(14)]
    public long Shortest { get; init; } = End - Start;

    [Id(15)]
    public long Longest { get; init; } = End - Start;

    /// <summary>One span for both, of whichever comes first in its layer: so a backward roll-up finds the forward one
    /// that it links to.</summary>
    public ShardSpan With(ShardSpan other) =>
        other.FirstUnit < FirstUnit
            ? other.With(this)
            : this with
            {
                Start = Math.Min(Start, other.Start),
                End = Math.Max(End, other.End),
                Units = Units + other.Units,
                Count = Count + other.Count,
                Shortest = Math.Min(Shortest, other.Shortest),
                Longest = Math.Max(Longest, other.Longest),
                Waited = Math.Max(Waited, other.Waited),
            };
}

/// <summary>What the actors of one silo did in a traced step.</summary>
/// <param name="Key">The step; from the silo's exchange.</param>
/// <param name="Silo">Its name.</param>
/// <param name="Begun">When the silo heard that the step begins, on its own clock.</param>
/// <param name="Spans">In the order in which they ended.</param>
[GenerateSerializer, Immutable, Alias("step-spans")]
public sealed record StepSpans(
    [property: Id(0)] MessageKey Key,
    [property: Id(1)] string Silo,
    [property: Id(2)] long Begun,
    [property: Id(3)] ImmutableArray<ShardSpan> Spans
);
