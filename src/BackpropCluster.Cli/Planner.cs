using System.Security.Cryptography;
using System.Text.Json;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains;
using BackpropCluster.Grains.Clustering;

namespace BackpropCluster.Cli;

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
    /// <exception cref="CommandFailedException">An array or a part of it is larger than can be sent or kept.</exception>
    public static RunPlan Plan(string run, RunFile file, Dataset data, bool isInRedis = false)
    {
        var plan = Plan(run, file.Spec, file.Cluster.Granularity, data) with
        {
            Checkpoints = file.Cluster.Checkpoints, Placement = file.Cluster.Placement, GiveUpAfter = file.Cluster.GiveUpAfter,
        };
        return (isInRedis ? PlanLimits.Exceeded(plan, PlanLimits.MaxRedisPartBytes) : PlanLimits.Exceeded(plan)) is { } tooLarge
            ? throw new CommandFailedException(ExitCode.Usage, $"{tooLarge} Nothing was started.")
            : plan;
    }


    /// <summary>The plan of a run that is never saved.</summary>
    public static RunPlan Plan(string run, RunSpec spec, Granularity granularity, Dataset data) => new()
    {
        Run = run,
        Fingerprint = Fingerprint(run, spec),
        Spec = spec,
        Granularity = granularity,
        Features = data.Features,
        TrainingRows = data.Training.Count,
        TestRows = data.Test.Count,
        HasClasses = data.HasClasses,
        Version = ClusterSilo.ProgramVersion,
        DataSha256 = DataFiles.Sha256(spec.Data),
    };

    private static Dataset Prepare(RunSpec spec, Table table) => Dataset.Prepare(table, spec.Data, spec.Seed, spec.Model.Layers[^1].Units);

    // Id and everything that can change a number, so what is traced is left out: two runs that differ in either must never take each other's messages.
    private static ulong Fingerprint(string run, RunSpec spec) =>
        BitConverter.ToUInt64(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(new { run, spec = spec with { Trace = TraceSpec.None } })));
}
