using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>The two ends of the model, driven message by message.</summary>
public class SourceAndLossTests
{
    private readonly RecordingOutbox outbox = new();

    [Fact]
    public void ARepeatedAdvanceSendsTheRowsOnce()
    {
        var (source, letters, data) = Source(Runs.Uneven(batch: 5, microbatches: 2));
        source.Receive(letters.Advance(1), outbox);
        source.Receive(letters.Advance(1), outbox);

        var order = new BatchOrder(letters.Plan.Spec.Data, 1, letters.Plan.Spec.Seed, data.Training.Count);
        Assert.Equal([2, 3], outbox.All<Activations>().Select(y => y.Values.Rows));
        Assert.Equal([0, 1], outbox.All<Activations>().Select(y => y.Key.Microbatch));
        Assert.All(
            outbox.All<Activations>(),
            y => Assert.Equal(data.Training.Inputs(order.RowsOf(1, y.Key.Microbatch)), y.Values.Values)
        );
        Assert.All(outbox.Sent, s => Assert.Equal(Recipients.ShardsOf(1), s.To));
    }

    [Fact]
    public void AnEvaluationSendsTheHeldOutRows()
    {
        var (source, letters, data) = Source(Runs.Uneven(batch: 5));
        source.Receive(letters.Evaluate(0), outbox);
        var y = outbox.Only<Activations>();
        Assert.Equal(Phase.Evaluate, y.Key.Phase);
        Assert.Equal(data.Test.Inputs([0, 1]), y.Values.Values);
    }

    [Fact]
    public void TheLossDividesByTheBatchAndReportsTheMean()
    {
        var (loss, letters, data) = Loss(Runs.Uneven(batch: 5));
        var order = new BatchOrder(letters.Plan.Spec.Data, 1, letters.Plan.Spec.Seed, data.Training.Count);
        var y = Enumerable.Range(0, 15).Select(i => i / 16.0).ToArray(); // 3 outputs × 5 rows
        loss.Receive(Outputs(letters, 1, Phase.Forward, 5, y), outbox);

        double Error(int o, int r) => y[o * 5 + r] - data.Training.Target(order.RowsOf(1, 0)[r])[o];
        var cells = (from o in Enumerable.Range(0, 3) from r in Enumerable.Range(0, 5) select (o, r)).ToArray();
        Assert.Equal(cells.Select(c => Error(c.o, c.r) / 5), outbox.All<Deltas>().Single().Values.Values);
        Assert.Equal(
            cells.Sum(c => 0.5 * Error(c.o, c.r) * Error(c.o, c.r)) / 5,
            outbox.All<Report>().Single().Score.Loss,
            1e-15
        );
    }

    [Theory]
    [InlineData(1e160)]
    [InlineData(double.NaN)]
    public void ALossThatIsNoNumberEndsTheRun(double y)
    {
        var (loss, letters, _) = Loss(Runs.Uneven(batch: 5));
        loss.Receive(Outputs(letters, 1, Phase.Forward, 5, [.. Enumerable.Repeat(y, 15)]), outbox);
        Assert.Empty(outbox.All<Report>());
        var failure = Assert.Single(outbox.All<Failure>());
        Assert.Equal(FailureKind.NotFinite, failure.Kind);
        Assert.Matches("^the loss became .+ at step 1$", failure.Reason);
    }

    [Fact]
    public void MicrobatchesThatFinishInAnyOrderReportTheSameBits()
    {
        double Report(params int[] microbatches)
        {
            outbox.Sent.Clear();
            var (loss, letters, _) = Loss(Runs.Uneven(batch: 10, microbatches: 3));
            int[] rows = [3, 3, 4];
            foreach (var m in microbatches)
            {
                double[] y = [.. Enumerable.Range(0, 3 * rows[m]).Select(i => 1 / (i + 1.1 + m))];
                loss.Receive(Outputs(letters, 1, Phase.Forward, rows[m], y, m), outbox);
            }

            return outbox.All<Report>().Single().Score.Loss;
        }

        Assert.All(
            (int[][])
                [
                    [0, 2, 1],
                    [1, 0, 2],
                    [2, 1, 0],
                ],
            order => Assert.Equal(Report(0, 1, 2), Report(order))
        );
    }

    [Fact]
    public void AnEvaluationReportsTheMeanOverAllChunksSoFar()
    {
        var (loss, letters, _) = Loss(Chunked);
        EvaluateChunk(loss, letters, version: 0, chunk: 0);
        Assert.Equal(EvaluationRows.ChunkRows, outbox.Only<Report>().Score.Rows);
        EvaluateChunk(loss, letters, version: 0, chunk: 0);
        outbox.AssertSilent();
        EvaluateChunk(loss, letters, version: 0, chunk: 1);
        Assert.Equal(300, outbox.Only<Report>().Score.Rows);
    }

    // A Loss that was lost between two chunks and caught a repeat of its Restore knows its shape again, but not the
    // first chunk.
    [Fact]
    public void ALossThatMissedAChunkReportsNoMeanOverTheRest()
    {
        var (loss, letters, _) = Loss(Chunked);
        EvaluateChunk(loss, letters, version: 1, chunk: 1);
        Assert.Empty(outbox.All<Report>());
        Assert.Single(outbox.All<NeedRestore>());
    }

    private static RunSpec Chunked { get; } =
        Runs.Uneven(batch: 300) with
        {
            Data = Runs.Uneven(batch: 300).Data with { Test = 0.5 },
        };

    private static void EvaluateChunk(
        LossActor loss,
        TestMessages letters,
        int version,
        int chunk,
        RecordingOutbox outbox
    )
    {
        var rows = EvaluationRows.Chunk(letters.Plan, chunk).Length;
        loss.Receive(Outputs(letters, version, Phase.Evaluate, rows, new double[3 * rows], chunk), outbox);
    }

    private void EvaluateChunk(LossActor loss, TestMessages letters, int version, int chunk) =>
        EvaluateChunk(loss, letters, version, chunk, outbox);

    private static Activations Outputs(
        TestMessages letters,
        int step,
        Phase phase,
        int rows,
        double[] y,
        int microbatch = 0
    ) => new(letters.Key(step, phase, ActorId.Shard(3, 0), microbatch), new Payload(3, rows, y));

    private (SourceActor Source, TestMessages Letters, Dataset Data) Source(RunSpec spec)
    {
        var (letters, data) = Open(spec);
        var source = new SourceActor();
        source.Receive(letters.Restore() with { Loaded = new LoadedState(null, data) }, outbox);
        outbox.Sent.Clear();
        return (source, letters, data);
    }

    private (LossActor Loss, TestMessages Letters, Dataset Data) Loss(RunSpec spec)
    {
        var (letters, data) = Open(spec);
        var loss = new LossActor();
        loss.Receive(letters.Restore() with { Loaded = new LoadedState(null, data) }, outbox);
        outbox.Sent.Clear();
        return (loss, letters, data);
    }

    private static (TestMessages Letters, Dataset Data) Open(RunSpec spec)
    {
        var data = Dataset.Prepare(Runs.SevenFeatures(spec.Data.Test == 0.5 ? 600 : 12), spec.Data, spec.Seed, 3);
        return (new TestMessages(Runs.Plan(spec, data, Granularity.Layer)), data);
    }
}
