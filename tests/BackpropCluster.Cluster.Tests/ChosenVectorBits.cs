using System.Runtime.CompilerServices;
using BackpropCluster.Cli.CommandLine;

namespace BackpropCluster.Cluster.Tests;

/// <summary>All tests of this project with the register width that the environment asks for, as the program
/// itself.</summary>
internal static class ChosenVectorBits
{
    [ModuleInitializer]
    internal static void Choose()
    {
        if (VectorBits.Choose() is { } refusal)
            throw new InvalidOperationException(refusal);
    }
}
