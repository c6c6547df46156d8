using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>An array crosses to a silo once, whoever reads it there; and every message is counted once.</summary>
[Collection(SharedCluster.Name)]
public sealed class TrafficTests
{
    private readonly SharedCluster cluster;

    public TrafficTests(SharedCluster cluster)
    {
        RedisServer.Need();
        this.cluster = cluster;
    }

    [Theory]
    [InlineData("neuron", "spread"), InlineData("neuron", "by-layer"), InlineData("neuron", "by-shard")]
    [InlineData("4", "spread"), InlineData("4", "by-layer"), InlineData("4", "by-shard"), InlineData("4", "pack")]
    [InlineData("layer", "spread"), InlineData("layer", "by-layer")]
    public async Task WhatCrossesIsWhatAHandCountSays(string cut, string placement)
    {
        string[] placed = [$"cluster.granularity={cut}", $"cluster.placement={placement}"];
        await Compare(Cli.RunFiles.RunFileLoader.Load(ProcessRuns.Write(cluster.Folder), placed));
        await Compare(ProcessRuns.Digits([.. placed, "training.epochs=1"]));
    }

    private async Task Compare(RunFile file)
    {
        var outcome = await ProcessRuns.TrainToTheReference(cluster.Client.Grains, file);
        var (plan, reference) = (outcome.Plan, ProcessRuns.Reference(file));
        var count = new HandCount(plan, outcome.Last.Placement!);

        count.Restored();
        foreach (var step in reference.Steps)
            count.Step(step.Rows, plan.Spec.Data.Microbatches);
        foreach (var evaluation in reference.Evaluations)
            for (var row = 0; row < evaluation.Score.Rows; row += EvaluationRows.ChunkRows)
                count.EvaluatedChunk(Math.Min(EvaluationRows.ChunkRows, evaluation.Score.Rows - row));

        Assert.Equal(count.Traffic, outcome.Traffic);
        Assert.Equal(
            plan.MessagesPerStep * outcome.Last.Steps + plan.ActorCount,
            count.Traffic.Local + count.Traffic.Remote - count.Evaluation
        );
    }

    /// <summary>Counts message by message who tells whom, and where both stand.</summary>
    private sealed class HandCount
    {
        private readonly (int Silo, int Units)[][] layers; // the Source, the shards of layer 1, 2, …, the Loss
        private readonly int coordinator;
        private readonly RunPlan plan;

        public HandCount(RunPlan plan, Placement placement)
        {
            this.plan = plan;
            (int, int) Standing(ActorId part) => (placement.SiloOfPart[plan.OrdinalOf(part)], plan.UnitsOf(part));
            layers =
            [
                [Standing(ActorId.Source)],
                .. Enumerable
                    .Range(1, plan.Depth)
                    .Select(layer =>
                        plan.ShardsOf(layer).Select(s => Standing(ActorId.Shard(layer, s.Index))).ToArray()
                    ),
                [Standing(ActorId.Loss)],
            ];
            coordinator = placement.Silos.IndexOf(placement.CoordinatorSilo);
        }

        public Traffic Traffic { get; private set; }

        /// <summary>Messages of evaluations, which are in <see cref="Traffic"/> too.</summary>
        public long Evaluation { get; private set; }

        public void Restored() => WordsWithTheCoordinator(layers.SelectMany(layer => layer));

        public void Step(int rows, int microbatches)
        {
            WordsWithTheCoordinator(layers.SelectMany(layer => layer)); // Advance
            for (var layer = 0; layer <= plan.Depth; layer++)
                Arrays(layer, layer + 1, rows, microbatches);
            for (var layer = plan.Depth + 1; layer >= 2; layer--)
                Arrays(layer, layer - 1, rows, microbatches);
            WordsWithTheCoordinator(layers[1..^1].SelectMany(layer => layer)); // Ready
            WordsWithTheCoordinator(layers[^1]); // Report
        }

        public void EvaluatedChunk(int rows)
        {
            var before = Traffic.Local + Traffic.Remote;
            WordsWithTheCoordinator(layers[0]); // Evaluate
            for (var layer = 0; layer <= plan.Depth; layer++)
                Arrays(layer, layer + 1, rows, 1);
            WordsWithTheCoordinator(layers[^1]); // Report
            Evaluation += Traffic.Local + Traffic.Remote - before;
        }

        // The rows of a step are cut into microbatches, so its bytes are those of all rows and its arrays as many as
        // there are cuts.
        private void Arrays(int from, int to, int rows, int microbatches)
        {
            foreach (var (silo, units) in layers[from])
            {
                // Rows cross nowhere: each silo has the data, and reads for its shards of layer 1 what a step takes.
                var receivers = layers[to].Select(receiver => from == 0 ? silo : receiver.Silo).ToList();
                var local = receivers.Count(other => other == silo);
                var crossings = receivers.Where(other => other != silo).Distinct().Count();
                Traffic += new Traffic(
                    (long)local * microbatches,
                    (long)(layers[to].Length - local) * microbatches,
                    (long)units * rows * sizeof(double) * crossings,
                    (long)crossings * microbatches
                );
            }
        }

        private void WordsWithTheCoordinator(IEnumerable<(int Silo, int Units)> parts)
        {
            foreach (var (silo, _) in parts)
                Traffic += silo == coordinator ? new Traffic(1, 0, 0, 0) : new Traffic(0, 1, 0, 0);
        }
    }
}
