using System.Text;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.Traces;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Tests.Traces;

/// <summary>The file of a run, whole and broken.</summary>
public sealed class TraceFileTests : IDisposable
{
    private const string Other = "11111111111111111111111111111111";
    private readonly TraceFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void ATraceIsFoundInSeveralLinesWhoeverCameFirst()
    {
        folder.Add("mazur-1", TutorialTrace.Lines);
        var file = TraceFile.Open(folder.Path, "mazur-1");
        Assert.Equal([("train step", 1L), ("evaluate", 1L)], file.Traces.Select(t => (t.Name, t.Step!.Value)));
        Assert.Equal(TutorialTrace.Zero, file.Traces[0].StartUnixNano);
        Assert.Equal(
            TutorialTrace.Spans.Select(s => s.SpanId).Order(),
            file.Spans(file.OfStep(1)).Select(s => s.SpanId).Order()
        );
        Assert.Empty(file.Warnings);
    }

    /// <summary>Cut at every byte of the last line: the lines before it are used, and what was left out is
    /// said.</summary>
    [Fact]
    public void ATornLastLineIsLeftOutWithAWarning()
    {
        var whole = Encoding.UTF8.GetBytes(TutorialTrace.Lines);
        var lastLine = Array.LastIndexOf(whole, (byte)'\n', whole.Length - 2) + 1;
        var before = TutorialTrace.Spans.Count(s => s.Silo != "silo-1");
        for (var length = lastLine + 1; length < whole.Length - 1; length += 97)
        {
            var path = folder.Add("torn", "");
            File.WriteAllBytes(path, whole[..length]);
            var file = TraceFile.Open(folder.Path, "torn");
            Assert.Contains(
                "trace.otlp.jsonl:3: the last line is not whole",
                Assert.Single(file.Warnings),
                StringComparison.Ordinal
            );
            Assert.Equal(before, file.Spans(file.Traces).Count);
            Assert.Equal("a trace without its root", Assert.Single(file.Traces).Name);
            Assert.Equal([1], file.Steps);
        }
    }

    [Fact]
    public void ALastLineWithoutItsLineFeedIsWhole()
    {
        folder.Add("mazur-1", TutorialTrace.Lines.TrimEnd('\n'));
        var file = TraceFile.Open(folder.Path, "mazur-1");
        Assert.Empty(file.Warnings);
        Assert.Equal(TutorialTrace.Spans.Count + 1, file.Spans(file.Traces).Count);
    }

    [Fact]
    public void ABrokenLineInTheMiddleIsNamedByLineAndColumn()
    {
        var lines = TutorialTrace.Lines.Split('\n');
        lines[1] = lines[1][..100];
        folder.Add("broken", string.Join('\n', lines));
        AssertFails(6, "trace.otlp.jsonl:2:101: the line is no JSON", "broken");
    }

    [Fact]
    public void ALineAgainstTheMappingIsNamedByItsPath()
    {
        folder.Add(
            "wrong",
            TutorialTrace.Lines.Replace(
                $"\"spanId\":\"{TutorialTrace.Id(4)}\",\"parent",
                "\"spanId\":\"four\",\"parent",
                StringComparison.Ordinal
            )
        );
        var error = AssertFails(
            6,
            "trace.otlp.jsonl:1: resourceSpans[0].scopeSpans[0].spans[1].spanId: got \"four\"",
            "wrong"
        );
        Assert.Contains("Delete line 1", error, StringComparison.Ordinal);
    }

    [Fact]
    public void AStepThatWasNotRecordedNamesThoseThatWere()
    {
        folder.Add("mazur-1", TutorialTrace.Lines + TutorialTrace.LinesOf(TutorialTrace.Again(50, Other)));
        var error = Assert.Throws<CommandFailedException>(() => TraceFile.Open(folder.Path, "mazur-1").OfStep(7));
        Assert.Equal(2, error.ExitCode);
        Assert.Equal(
            "step 7 of run mazur-1 was not recorded. Nothing was written. Recorded are steps 1, 50.",
            error.Message
        );
    }

    [Fact]
    public void WithoutAStepItIsTheFirstRecordedOne()
    {
        folder.Add("mazur-1", TutorialTrace.LinesOf(TutorialTrace.Again(50, Other)) + TutorialTrace.Lines);
        Assert.Equal(TutorialTrace.TraceId, Assert.Single(TraceFile.Open(folder.Path, "mazur-1").OfStep(null)).TraceId);
    }

    /// <summary>After a recovery a step is computed again: both are to be seen, in the order in which they
    /// happened.</summary>
    [Fact]
    public void AStepThatWasComputedTwiceHasTwoTraces()
    {
        folder.Add("mazur-1", TutorialTrace.LinesOf(TutorialTrace.Again(1, Other)) + TutorialTrace.Lines);
        Assert.Equal(
            [TutorialTrace.TraceId, Other],
            TraceFile.Open(folder.Path, "mazur-1").OfStep(1).Select(t => t.TraceId)
        );
    }

    [Fact]
    public void ASpanThatWasWrittenTwiceComesOnceAndIsSaid()
    {
        folder.Add("mazur-1", TutorialTrace.Lines + TutorialTrace.Lines);
        var file = TraceFile.Open(folder.Path, "mazur-1");
        Assert.Equal(TutorialTrace.Spans.Count, file.Spans(file.OfStep(1)).Count);
        Assert.Contains(
            "14 spans stand in the file more than once",
            Assert.Single(file.Warnings),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void ARunWithoutATraceSaysHowToRecordOne()
    {
        Directory.CreateDirectory(Path.Combine(folder.Path, "quiet"));
        AssertFails(
            6,
            "run quiet recorded no trace. Nothing was written. Train with trace.first or trace.every",
            "quiet"
        );
        AssertFails(6, "has a trace.otlp.jsonl. Nothing was written. Train with trace.first or trace.every", null);
        AssertFails(2, "there is no run other in", "other");
        AssertFails(2, "is not a run's id", "../quiet");
    }

    [Fact]
    public void AFileWithoutATrainingStepSaysWhatItHolds()
    {
        folder.Add("mazur-1", TutorialTrace.LinesOf([TutorialTrace.Evaluation]));
        var error = Assert.Throws<CommandFailedException>(() => TraceFile.Open(folder.Path, "mazur-1").OfStep(null));
        Assert.Equal(6, error.ExitCode);
        Assert.Contains("holds no training step, only evaluate.", error.Message, StringComparison.Ordinal);
        folder.Add("empty", "");
        Assert.Contains(
            "holds no trace.",
            Assert.Throws<CommandFailedException>(() => TraceFile.Open(folder.Path, "empty").All()).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void WithoutARunItIsTheOneWhoseTraceWasWrittenLast()
    {
        foreach (var (run, day) in new[] { ("a-later", 2), ("b-earlier", 1) })
            File.SetLastWriteTimeUtc(
                folder.Add(run, TutorialTrace.Lines),
                new DateTime(2026, 11, day, 0, 0, 0, DateTimeKind.Utc)
            );

        Directory.CreateDirectory(Path.Combine(folder.Path, "z-without"));
        Assert.Equal("a-later", TraceFile.Open(folder.Path, null).Run);
    }

    [Fact]
    public void ManyStepsAreListedShort() =>
        Assert.Equal(
            "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, … 40 (40 in all)",
            TraceFile.Listed([.. Enumerable.Range(1, 40).Select(s => (long)s)])
        );

    private string AssertFails(int exitCode, string part, string? run)
    {
        var error = Assert.Throws<CommandFailedException>(() => TraceFile.Open(folder.Path, run));
        Assert.Equal(exitCode, error.ExitCode);
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
        return error.Message;
    }
}
