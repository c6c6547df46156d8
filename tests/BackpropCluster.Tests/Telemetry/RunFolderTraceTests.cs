using System.Text;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Cli.Traces;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Tests.Traces;

namespace BackpropCluster.Tests.Telemetry;

/// <summary>What stands in a run's trace file when clients come, go and crash.</summary>
public sealed class RunFolderTraceTests : IDisposable
{
    private const string Run = "traced-1";
    private readonly TraceFolder runs = new();
    private readonly byte[] first = Encoding.UTF8.GetBytes(TutorialTrace.Lines.Split('\n')[0] + "\n");
    private readonly byte[] second = Encoding.UTF8.GetBytes(
        TutorialTrace
            .Lines.Split('\n')[0]
            .Replace(TutorialTrace.TraceId, TutorialTrace.EvaluationId, StringComparison.Ordinal) + "\n"
    );

    public RunFolderTraceTests()
    {
        Assert.Contains(TutorialTrace.TraceId, Encoding.UTF8.GetString(first), StringComparison.Ordinal);
        using var folder = RunFolder.Create(
            runs.Path,
            Run,
            RunFileLoader.Load(Path.Combine(Root(), "examples", "xor.yaml"), null)
        );
    }

    public void Dispose() => runs.Dispose();

    [Fact]
    public void AClientThatComesBackWritesNoTraceTwice()
    {
        Write(first);
        Write(first, second);
        Assert.Equal([.. first, .. second], File.ReadAllBytes(runs.FileOf(Run)));
    }

    [Fact]
    public void AClientThatIsToldAgainByANewCoordinatorWritesNoTraceTwice()
    {
        using var folder = RunFolder.Reopen(runs.Path, Run);
        folder.Write(Progress(first));
        folder.Write(Progress(first, second));
        Assert.Equal([.. first, .. second], File.ReadAllBytes(runs.FileOf(Run)));
    }

    [Theory, InlineData(1), InlineData(40), InlineData(400)]
    public void ATornLastLineIsCutOffBeforeOthersFollow(int torn)
    {
        File.WriteAllBytes(runs.FileOf(Run), [.. first, .. second[..torn]]);
        Write(second);
        Assert.Equal([.. first, .. second], File.ReadAllBytes(runs.FileOf(Run)));
    }

    [Fact]
    public void AFileOfNothingButATornLineBeginsAnew()
    {
        File.WriteAllBytes(runs.FileOf(Run), first[..100]);
        Write(first);
        Assert.Equal(first, File.ReadAllBytes(runs.FileOf(Run)));
        Assert.Empty(TraceFile.Open(runs.Path, Run).Warnings);
    }

    [Fact]
    public void ALineThatEndsWithinALetterIsCutOffAsAWhole()
    {
        File.WriteAllBytes(runs.FileOf(Run), [.. first, .. "{\"δ"u8[..^1]]);
        Write(second);
        Assert.Equal([.. first, .. second], File.ReadAllBytes(runs.FileOf(Run)));
    }

    [Fact]
    public void ARunThatRecordsNothingLeavesNoTraceFile()
    {
        Write();
        Assert.False(File.Exists(runs.FileOf(Run)));
    }

    private void Write(params byte[][] traces)
    {
        using var folder = RunFolder.Reopen(runs.Path, Run);
        folder.Write(Progress(traces));
    }

    private static RunProgress Progress(params byte[][] traces) =>
        new()
        {
            Status = RunStatus.Training,
            Term = 1,
            CommittedSteps = 1,
            Steps = 2,
            Epoch = 1,
            NewLosses = [],
            NewEvaluations = [],
            Recoveries = 0,
            ReplayedSteps = 0,
            StaleMessages = 0,
            Elapsed = TimeSpan.Zero,
            NewTraces = [.. traces],
        };

    private static string Root()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "BackpropCluster.sln")))
            directory = directory.Parent!;
        return directory.FullName;
    }
}
