using System.Security.Cryptography;
using System.Text.Json;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Cli;

/// <summary>Makes the plan of a run from its file and its data.</summary>
internal static class Planner
{
    public static Dataset Load(RunSpec spec) =>
        Dataset.Prepare(BuiltInData.Read(spec.Data.Source), spec.Data, spec.Seed, spec.Model.Layers[^1].Units);

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
    };

    // Id and everything that can change a number: two runs that differ in either must never take each other's messages.
    private static ulong Fingerprint(string run, RunSpec spec) =>
        BitConverter.ToUInt64(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(new { run, spec })));
}
