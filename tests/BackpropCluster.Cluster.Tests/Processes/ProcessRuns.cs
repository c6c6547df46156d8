using System.Collections.Concurrent;
using System.Globalization;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>Run files that these tests train, and what they must end in.</summary>
internal static class ProcessRuns
{
    private static readonly ConcurrentDictionary<string, TrainingResult> References = new();
    private static int runs;

    /// <summary>The example of the digits; values may be replaced.</summary>
    public static RunFile Digits(params string[] sets) =>
        RunFileLoader.Load(Path.Combine(Backprop.Root, "examples", "digits.yaml"), sets);

    /// <summary>A run file of a 7-13-11-3 model, whose layers no shard size divides, beside its rows.</summary>
    /// <param name="folder">Where both are written.</param>
    /// <param name="classes">Three classes, or three columns of real targets.</param>
    /// <param name="name">Of both files.</param>
    /// <param name="rows">The file of the rows, if not the one beside the run file.</param>
    /// <returns>The run file's path.</returns>
    public static string Write(string folder, bool classes = true, string name = "seven", string? rows = null)
    {
        var data = Path.Combine(folder, $"{name}.csv");
        // Silos may be reading it for another run, and a file that is written anew is empty for a moment.
        if (!File.Exists(data) || File.ReadAllText(data) != Rows(classes))
            File.WriteAllText(data, Rows(classes));
        var path = Path.Combine(folder, $"{name}.yaml");
        File.WriteAllText(
            path,
            $$"""
            version: 1
            seed: 7
            data: { source: csv, file: {{rows ?? $"{name}.csv"}}, {{(
                classes ? "target: kind, classes: 3" : "target: [t1, t2, t3]"
            )}}, batch: 5, microbatches: 2, test: 0.25, scale: minmax }
            model:
              layers: [ { units: 13, activation: tanh }, { units: 11, activation: relu }, { units: 3, activation: logistic } ]
              loss: half_squared_error
            optimizer: { kind: sgd, learning_rate: 0.3, momentum: 0.5 }
            training: { epochs: 4 }
            cluster: { silos: 3, granularity: 4 }

            """
        );
        return path;
    }

    /// <summary>Sixteen rows, or another number of them; a shift is added to each value of the first.</summary>
    public static string Rows(bool classes, double shift = 0, int rows = 16)
    {
        var table = Runs.SevenFeatures(rows);
        var lines = new List<string> { "a,b,c,d,e,f,g," + (classes ? "kind" : "t1,t2,t3") };
        for (var row = 0; row < table.Rows; row++)
        {
            var inputs = table.Inputs.AsSpan(row * 7, 7).ToArray();
            if (row == 0)
                inputs = [.. inputs.Select(value => value + shift)];
            string[] targets = classes
                ? [Text(table.Classes![row])]
                : [Text(inputs[0] / 2), Text(inputs[1] * inputs[2]), Text(0.25)];
            lines.Add(string.Join(',', [.. inputs.Select(Text), .. targets]));
        }

        return string.Join('\n', lines) + "\n";
    }

    /// <summary>A plan whose run id no other test has.</summary>
    public static RunPlan Plan(RunFile file) =>
        Planner.Plan($"test-{file.Spec.Name}-{Interlocked.Increment(ref runs)}", file, Planner.Load(file));

    /// <summary>What one loop in one process makes of a run.</summary>
    public static TrainingResult Reference(RunFile file) =>
        References.GetOrAdd(KeyOf(file), _ => ReferenceTrainer.Train(file.Spec, Planner.Load(file)));

    /// <summary>Trains to the end, which must be the reference's, to the bit.</summary>
    public static async Task<TrainingOutcome> TrainToTheReference(
        IGrainFactory grains,
        RunFile file,
        Action<RunProgress>? watch = null,
        RunPlan? plan = null
    )
    {
        var outcome = await TrainingClient.Train(
            grains,
            plan ?? Plan(file),
            TimeSpan.FromSeconds(20),
            watch,
            file.ToYaml(),
            cancellation: TestContext.Current.CancellationToken
        );
        Assert.True(outcome.Result is not null, $"the run failed: {outcome.Last.Failure?.Reason}");
        var reference = Reference(file);
        Assert.Equal(reference.WeightsSha256, outcome.Result.WeightsSha256);
        Assert.Equal(reference.Steps, outcome.Result.Steps);
        Assert.Equal(reference.Evaluations, outcome.Result.Evaluations);
        return outcome;
    }

    // What can change no bit is not in the key: one reference serves all cuts.
    private static string KeyOf(RunFile file) => (file with { Cluster = Digits().Cluster }).ToYaml();

    private static string Text<T>(T number)
        where T : IFormattable => number.ToString(null, CultureInfo.InvariantCulture);
}
