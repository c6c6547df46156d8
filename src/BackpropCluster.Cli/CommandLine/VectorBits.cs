using System.Globalization;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Cli.CommandLine;

/// <summary>The register width that the environment asks for, so that one machine can test and measure all that it
/// has.</summary>
internal static class VectorBits
{
    private const string Variable = "BACKPROP_VECTOR_BITS";
    private static readonly int[] Widths = [128, 256, 512];

    /// <summary>Takes the width that is asked for; without the variable, the widest stays.</summary>
    /// <returns>Why it cannot be taken; <see langword="null"/> where it can.</returns>
    public static string? Choose() => Choose(Environment.GetEnvironmentVariable(Variable), bits => Kernels.Use(bits));

    internal static string? Choose(string? value, Func<int, bool> use)
    {
        if (string.IsNullOrEmpty(value))
            return null;
        if (
            !int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var bits)
            || !Widths.Contains(bits)
        )
            return $"{Variable} is '{value}', but 128, 256 or 512 was expected. Nothing was started. Without it the "
                + $"widest of this processor is taken.";
        return use(bits)
            ? null
            : $"{Variable} is {bits}, but this processor has no such registers with fused multiply-adds. Nothing "
                + $"was started. Unset it, or take less.";
    }
}
