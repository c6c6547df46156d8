using System.Text.Json;
using BackpropCluster.Cli.Traces;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.ClusterTests.Telemetry;

/// <summary>A run that a child process has trained, and what it left in its folder.</summary>
internal sealed class TracedRun(string directory, JsonElement result)
{
    public JsonElement Result => result;

    public string Run { get; } = result.GetProperty("run").GetString()!;

    public string Path => System.IO.Path.Combine(directory, "runs", Run, TraceFile.FileName);

    /// <summary>The spans of its file, each line of which keeps to the mapping.</summary>
    public IReadOnlyList<TraceSpan> Spans => [.. OtlpJsonReader.Read(Path, Assert.Fail)];

    /// <summary>Trains an example on silos inside one process.</summary>
    public static async Task<TracedRun> Train(
        Backprop backprop,
        (string Name, string Value)[] environment,
        string example,
        params IEnumerable<string> sets
    ) => new(backprop.Folder, (await backprop.Run(environment, null, Arguments(example, sets))).Json);

    public static string[] Arguments(string example, IEnumerable<string> sets, params IEnumerable<string> more) =>
        [
            "train",
            System.IO.Path.Combine(Backprop.Root, "examples", $"{example}.yaml"),
            "--json",
            .. sets.SelectMany(set => new[] { "--set", set }),
            .. more,
        ];
}
