using System.Collections.Immutable;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using CsCheck;

namespace BackpropCluster.Tests.Protocol;

/// <summary>What a store knows of a run: who leads it, and which checkpoints count.</summary>
public class RunManifestTests
{
    [Fact]
    public void ATermIsAboveEveryOneThatIsKnown()
    {
        Assert.Equal(1, RunManifest.New(42).Granted(0).Term);
        Assert.Equal(8, RunManifest.New(42).Granted(7).Term);
        Assert.Equal(9, RunManifest.New(42).Granted(7).Granted(3).Term);
    }

    [Fact]
    public void OnlyTheTermThatLeadsMayMakeACheckpointCount()
    {
        var head = RunManifest.New(42).Granted(0).Granted(0);
        Assert.Equal((false, true, false), (head.Accepts(1), head.Accepts(2), head.Accepts(3)));
    }

    [Theory]
    [InlineData(0, new[] { 2, 4, 6, 8 })]
    [InlineData(1, new[] { 4, 8 })]
    [InlineData(2, new[] { 4, 6, 8 })]
    [InlineData(9, new[] { 2, 4, 6, 8 })]
    public void TheNewestAreKeptAndTheBestOne(int keep, int[] kept)
    {
        var head = RunManifest.New(42).Granted(0);
        for (var version = 2; version <= 8; version += 2)
            head = head.With(Id(version), Checkpoint(version, best: 4), keep);
        Assert.Equal(kept, head.Checkpoints.Select(c => c.Version));
    }

    // By accuracy, where there are classes: a lower loss does not make up for it.
    [Fact]
    public void WithClassesTheBestIsTheMostAccurate()
    {
        var head = RunManifest.New(42).Granted(0);
        for (var version = 1; version <= 3; version++)
            head = head.With(
                Id(version),
                Checkpoint(version, 0) with
                {
                    Evaluations =
                    [
                        .. Enumerable
                            .Range(1, version)
                            .Select(v => new EvaluationMetrics(v, new BatchMetrics(v, v == 2 ? 9 : 8, 10))),
                    ],
                },
                keep: 1
            );
        Assert.Equal([2, 3], head.Checkpoints.Select(c => c.Version));
    }

    // A fallback went past them; what is computed again takes their place, and their records are to go.
    [Fact]
    public void BrokenNewerOnesAreDropped()
    {
        var head = RunManifest.New(42).Granted(0);
        foreach (var version in (int[])[2, 4, 6])
            head = head.With(Id(version), Checkpoint(version, best: 0), keep: 0);
        head = head.Granted(0).With(Id(4, term: 2), Checkpoint(4, best: 0), keep: 0);
        Assert.Equal([Id(2), Id(4, term: 2)], head.Checkpoints);
        Assert.Equal([Id(4), Id(6)], head.Dropped);
    }

    [Fact]
    public void WhatCountedIsKeptOrDroppedAndNeverForgotten()
    {
        Gen.Int[1, 30]
            .Array[1, 40]
            .Select(Gen.Int[0, 4])
            .Sample(
                (versions, keep) =>
                {
                    var head = RunManifest.New(42).Granted(0);
                    foreach (var (version, i) in versions.Select((v, i) => (v, i)))
                    {
                        var (before, id) = (head.Checkpoints, Id(version, term: i));
                        head = head.With(id, Checkpoint(version, best: 3), keep);
                        Assert.Equal(before.Append(id).ToHashSet(), head.Checkpoints.Concat(head.Dropped).ToHashSet());
                        Assert.Equal(id, head.Checkpoints[^1]);
                        Assert.Equal(
                            head.Checkpoints.Select(c => c.Version).Distinct().Order(),
                            head.Checkpoints.Select(c => c.Version)
                        );
                        if (keep > 0)
                            Assert.True(head.Checkpoints.Length <= keep + 1);
                    }
                }
            );
    }

    private static CheckpointId Id(int version, int term = 1) => new(version, term, "sha");

    private static Checkpoint Checkpoint(int version, int best) =>
        new(
            version,
            Granularity.Layer,
            [],
            [],
            best == 0 ? [] : [.. Enumerable.Range(1, version).Select(v => Evaluated(v, v == best ? 0.1 : 0.5))],
            []
        );

    private static EvaluationMetrics Evaluated(int version, double loss) =>
        new(version, new BatchMetrics(loss, null, 4));
}

/// <summary>Scores in blocks, and whole again.</summary>
public class MetricsBlockTests
{
    [Fact]
    public void ACheckpointThatIsTakenApartIsTheSameWhenPutTogether() =>
        Gen.Int[0, 40]
            .Select(Gen.Int[1, 9], Gen.Int[1, 5])
            .Sample(
                (version, size, every) =>
                {
                    var whole = new Checkpoint(
                        version,
                        Granularity.Neuron,
                        ["a"],
                        [.. Enumerable.Range(1, version).Select(s => new BatchMetrics(1.0 / s, null, 4))],
                        [
                            .. Enumerable
                                .Range(1, version)
                                .Where(v => v % every == 0)
                                .Select(v => new EvaluationMetrics(v, new BatchMetrics(v, 1, 4))),
                        ],
                        ["b"]
                    );
                    var blocks = Enumerable
                        .Range(0, MetricsBlock.Count(version, size))
                        .Select(b => MetricsBlock.Of(whole, b, size))
                        .ToList();
                    Assert.All(blocks, block => Assert.Equal(size, block.Losses.Length));
                    var rest = MetricsBlock.Rest(whole, size);
                    Assert.True(rest.Losses.Length < size && rest.Evaluations.Length < size);
                    var again = MetricsBlock.Join(blocks, rest);
                    Assert.Equal(whole.Losses, again.Losses);
                    Assert.Equal(whole.Evaluations, again.Evaluations);
                }
            );

    // The same scores make the same block whenever it is written: a later checkpoint names what an earlier one wrote.
    [Fact]
    public void ABlockDoesNotDependOnTheCheckpointThatItIsTakenFrom()
    {
        ImmutableArray<BatchMetrics> losses =
        [
            .. Enumerable.Range(1, 20).Select(s => new BatchMetrics(1.0 / s, null, 4)),
        ];
        ImmutableArray<EvaluationMetrics> evaluations =
        [
            .. Enumerable.Range(1, 20).Select(v => new EvaluationMetrics(v, new BatchMetrics(v, 1, 4))),
        ];
        Checkpoint Until(int version) =>
            new(
                version,
                Granularity.Layer,
                [],
                losses[..version],
                [.. evaluations.Where(e => e.Version <= version)],
                []
            );
        Assert.Equal(MetricsBlock.Of(Until(8), 1, 4).Evaluations, MetricsBlock.Of(Until(20), 1, 4).Evaluations);
        Assert.Equal(MetricsBlock.Of(Until(8), 1, 4).Losses, MetricsBlock.Of(Until(20), 1, 4).Losses);
    }

    [Fact]
    public void BlocksThatWereKnownAreLookedAtAgainInTheNextTerm()
    {
        var known = new KnownBlocks();
        known.Of(1);
        known.Add("first");
        Assert.Equal(["first"], known.Of(1));
        Assert.Empty(known.Of(2));
        Assert.Empty(known.Of(1));
    }
}
