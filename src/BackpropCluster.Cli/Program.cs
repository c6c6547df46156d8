using System.CommandLine;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.Verbs;

namespace BackpropCluster.Cli;

internal static class Program
{
    public static async Task<int> Main(string[] args)
    {
        // Before everything else: a signal that comes earlier ends the process by itself, without a word and with the
        // signal's own code.
        var interruption = Interruption.Listen();
        ResultStream.Install();
        if (VectorBits.Choose() is not { } refusal)
            return await Shell.Run(Root(), args, interruption);
        System.Console.Error.WriteLine($"backprop: {refusal}");
        return ExitCode.Usage;
    }

    /// <summary>All verbs.</summary>
    public static RootCommand Root() =>
        new("BackpropCluster: backpropagation as messages between grains")
        {
            LearnVerb.Create(),
            TrainVerb.Create(),
            RunsVerb.Create(),
            CheckpointVerb.Create(),
            TraceVerb.Create(),
            SiloVerb.Create(),
            ClusterVerb.Create(),
            ParityVerb.Create(),
            ScheduleVerb.Create(),
            ExploreVerb.Create(),
            ChaosVerb.Create(),
            BenchVerb.Create(),
            ConfigVerb.Create(),
            DoctorVerb.Create(),
        };
}
