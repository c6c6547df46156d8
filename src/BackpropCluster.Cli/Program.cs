using System.CommandLine;
using BackpropCluster.Cli.Verbs;

namespace BackpropCluster.Cli;

internal static class Program
{
    public static async Task<int> Main(string[] args)
    {
        System.Console.OutputEncoding = System.Text.Encoding.UTF8;
        if (VectorBits.Choose() is not { } refusal) return await Shell.Run(Root(), args);
        System.Console.Error.WriteLine($"backprop: {refusal}");
        return ExitCode.Usage;
    }

    /// <summary>All verbs.</summary>
    public static RootCommand Root() => new("BackpropCluster: backpropagation as messages between grains")
    {
        LearnVerb.Create(), TrainVerb.Create(), RunsVerb.Create(), CheckpointVerb.Create(), TraceVerb.Create(), SiloVerb.Create(), ClusterVerb.Create(),
        ParityVerb.Create(), ExploreVerb.Create(), ChaosVerb.Create(), BenchVerb.Create(), ConfigVerb.Create(), DoctorVerb.Create(),
    };
}
