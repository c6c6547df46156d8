using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text.Json;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Core.Learning;
using BackpropCluster.Grains;

namespace BackpropCluster.Cli;

/// <summary>What a run leaves behind: <c>runs/{run}/</c> with run.yaml (every default spelt out), manifest.json and metrics.jsonl.</summary>
internal sealed class RunFolder : IDisposable
{
    private readonly StreamWriter metrics;
    private int steps;

    private RunFolder(string path)
    {
        Path = path;
        metrics = new StreamWriter(System.IO.Path.Combine(path, "metrics.jsonl")) { NewLine = "\n" };
    }

    public string Path { get; }

    /// <summary>A new id: day, name of the run file, four hexadecimal digits by chance.</summary>
    public static string NewId(string name, DateTimeOffset now) =>
        string.Create(CultureInfo.InvariantCulture, $"{now:yyyyMMdd}-{name}-{RandomNumberGenerator.GetHexString(4, lowercase: true)}");

    /// <summary>Makes the folder. Called when the silos stand, so that a run that never began leaves nothing.</summary>
    public static RunFolder Create(string directory, string run, RunFile file)
    {
        try
        {
            var path = System.IO.Path.Combine(directory, run);
            Directory.CreateDirectory(path);
            File.WriteAllText(System.IO.Path.Combine(path, "run.yaml"), file.ToYaml());
            var version = typeof(RunFolder).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
            File.WriteAllText(System.IO.Path.Combine(path, "manifest.json"), JsonSerializer.Serialize(new
            {
                run,
                backprop = version,
                runtime = Environment.Version.ToString(),
                orleans = typeof(IGrainFactory).Assembly.GetName().Version?.ToString(3),
                host = Environment.MachineName,
                processors = Environment.ProcessorCount,
            }));
            return new RunFolder(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandFailedException(ExitCode.File, $"the run folder cannot be written: {e.Message} Nothing was trained. Choose another --run-dir.");
        }
    }

    public void Write(RunProgress progress)
    {
        foreach (var score in progress.NewLosses) Line(new { kind = "step", step = ++steps, loss = score.Loss, accuracy = score.Accuracy });
        foreach (var evaluation in progress.NewEvaluations)
            Line(new { kind = "evaluation", step = evaluation.Version, loss = evaluation.Score.Loss, accuracy = evaluation.Score.Accuracy });
        metrics.Flush();
    }

    public void Dispose() => metrics.Dispose();

    private void Line(object values) => metrics.WriteLine(JsonSerializer.Serialize(values));
}
