using System.Security.Cryptography;
using System.Text.Json;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Clustering;

namespace BackpropCluster.Cli.Runs;

/// <summary>Makes the plan of a run from its file and its data.</summary>
internal static class Planner
{
    /// <summary>The data of a run on built-in rows.</summary>
    public static Dataset Load(RunSpec spec) => Prepare(spec, BuiltInData.Read(spec.Data.Source));

    /// <summary>The data of a run file, whose rows were read with it.</summary>
    public static Dataset Load(RunFile file) => Prepare(file.Spec, file.Table);

    /// <summary>The plan of a run that is saved as its file says.</summary>
    /// <param name="run">Its id.</param>
    /// <param name="file">Its file.</param>
    /// <param name="data">Its rows.</param>
    /// <param name="isInRedis">Whether its checkpoints are kept there.</param>
    /// <exception cref="CommandFailedException">An array or a part of it is larger than can be sent or
    /// kept.</exception>
    public static RunPlan Plan(string run, RunFile file, Dataset data, bool isInRedis = false)
    {
        var plan = Plan(run, file.Spec, file.Cluster.Granularity, data) with
        {
            Checkpoints = file.Cluster.Checkpoints,
            Placement = file.Cluster.Placement,
            GiveUpAfter = file.Cluster.GiveUpAfter,
            Trace = file.Trace,
        };
        return
            (isInRedis ? PlanLimits.Exceeded(plan, PlanLimits.MaxRedisPartBytes) : PlanLimits.Exceeded(plan))
                is { } tooLarge
            ? throw new CommandFailedException(ExitCode.Usage, $"{tooLarge} Nothing was started.")
            : plan;
    }

    /// <summary>The plan of a run that is never saved.</summary>
    public static RunPlan Plan(string run, RunSpec spec, Granularity granularity, Dataset data) =>
        new()
        {
            Run = run,
            Fingerprint = Fingerprint(run, spec, data.FilesSha256),
            Spec = spec,
            Granularity = granularity,
            Features = data.Features,
            TrainingRows = data.Training.Count,
            TestRows = data.Test.Count,
            HasClasses = data.HasClasses,
            Version = ClusterSilo.ProgramVersion,
            DataSha256 = data.FilesSha256,
        };

    private static Dataset Prepare(RunSpec spec, Table table) =>
        Dataset.Prepare(table, spec.Data, spec.Seed, spec.Model.Layers[^1].Units);

    // Id and everything that can change a number: two runs that differ in either must never take each other's messages.
    // Where files lie is left out: what they hold is in, and a run that was moved together with its data is the same
    // run.
    private static ulong Fingerprint(string run, RunSpec spec, string dataSha256) =>
        BitConverter.ToUInt64(
            SHA256.HashData(
                JsonSerializer.SerializeToUtf8Bytes(
                    new
                    {
                        run,
                        dataSha256,
                        spec = WithoutPlaces(spec),
                    }
                )
            )
        );

    private static RunSpec WithoutPlaces(RunSpec spec) =>
        spec with
        {
            Data = spec.Data with
            {
                Idx = spec.Data.Idx is { } idx ? new IdxFiles("", "", idx.TestImages is null ? null : "", null) : null,
                Csv = spec.Data.Csv is { } csv ? csv with { File = "" } : null,
            },
            Model = spec.Model with
            {
                Layers =
                [
                    .. spec.Model.Layers.Select(layer =>
                        layer.Given is { } given ? layer with { Given = given with { File = "" } } : layer
                    ),
                ],
            },
        };
}
