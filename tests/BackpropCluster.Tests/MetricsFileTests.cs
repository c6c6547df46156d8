using BackpropCluster.Cli.Runs;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Tests;

/// <summary>metrics.jsonl has each step once and in order, however often a run is gone on with.</summary>
public sealed class MetricsFileTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-metrics-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void ARunThatIsToldAgainFromTheFirstStepGoesOnWhereTheFileEnds()
    {
        Write([1, 0.5, 0.25], 2);
        var before = Content;
        Write([1, 0.5, 0.25, 0.125], 2, 4);
        Assert.Equal(["step 1", "step 2", "evaluation 2", "step 3", "step 4", "evaluation 4"], Lines);
        Assert.StartsWith(before, Content, StringComparison.Ordinal);
    }

    [Fact]
    public void ToldInPiecesItIsTheSameFile()
    {
        Write([1, 0.5, 0.25, 0.125], 2, 4);
        var whole = Content;
        File.Delete(Path);
        using (var file = new MetricsFile(Path))
        {
            file.Write([Of(1)], []);
            file.Write([Of(0.5)], [Evaluation(2)]);
            file.Write([Of(0.25), Of(0.125)], []);
            file.Write([], [Evaluation(4)]);
        }

        Assert.Equal(whole, Content);
    }

    // A run that begins again at an earlier checkpoint and is interrupted there has told less than the file holds.
    [Fact]
    public void WhatIsNotToldAgainStays()
    {
        Write([1, 0.5, 0.25]);
        Write([1, 0.5]);
        Assert.Equal(["step 1", "step 2", "step 3"], Lines);
    }

    [Fact]
    public void ALineThatACrashHasTornIsWrittenAnew()
    {
        Write([1, 0.5, 0.25]);
        var whole = Content;
        for (var length = 0; length < whole.Length; length++)
        {
            File.WriteAllText(Path, whole[..length]);
            Write([1, 0.5, 0.25]);
            Assert.True(whole == Content, $"torn after {length} characters: {Content}");
        }
    }

    // What the coordinator tells is sealed in a checkpoint; the file may have been written to by anybody.
    [Fact]
    public void FromALineThatSaysSomethingElseTheFileIsWrittenAnew()
    {
        Write([1, 0.4, 0.25]);
        Write([1, 0.5, 0.25]);
        var expected = Content;
        File.Delete(Path);
        Write([1, 0.5, 0.25]);
        Assert.Equal(Content, expected);
    }

    // Steps under new numbers, as an earlier version of the program wrote them after each change of the leader.
    [Fact]
    public void AFileWithStepsUnderNewNumbersIsMended()
    {
        Write([1, 0.5, 1, 0.5, 0.25]);
        Write([1, 0.5, 0.25]);
        Assert.Equal(["step 1", "step 2", "step 3"], Lines);
    }

    private string Path => System.IO.Path.Combine(folder.FullName, "metrics.jsonl");

    private string Content => File.ReadAllText(Path);

    private IEnumerable<string> Lines =>
        File.ReadLines(Path)
            .Select(line => System.Text.Json.JsonDocument.Parse(line).RootElement)
            .Select(line => $"{line.GetProperty("kind").GetString()} {line.GetProperty("step").GetInt32()}");

    private void Write(double[] losses, params int[] evaluated)
    {
        using var file = new MetricsFile(Path);
        file.Write(losses.Select(Of), evaluated.Select(Evaluation));
    }

    private static BatchMetrics Of(double loss) => new(loss, null, 4);

    private static EvaluationMetrics Evaluation(int version) => new(version, new BatchMetrics(0.75, 3, 4));
}
