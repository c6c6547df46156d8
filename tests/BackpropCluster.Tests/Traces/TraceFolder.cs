using BackpropCluster.Cli.Traces;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Tests.Traces;

/// <summary>A folder of runs with traces, away when the test is over.</summary>
internal sealed class TraceFolder : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-traces-");

    public string Path => folder.FullName;

    public string Add(string run, string lines)
    {
        folder.CreateSubdirectory(run);
        File.WriteAllText(FileOf(run), lines);
        return FileOf(run);
    }

    public string FileOf(string run) => System.IO.Path.Combine(Path, run, TraceFile.FileName);

    public void Dispose() => folder.Delete(recursive: true);
}
