using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using BackpropCluster.Core.Learning.Vectors;

namespace BackpropCluster.Core.Learning;

/// <summary>Which of the kernels this process computes with. All compute the same bits; they differ in time.</summary>
public static class Kernels
{
    /// <summary>Those that this processor can run, the fastest first.</summary>
    /// <remarks>128 bits are always among them: without fused multiply-adds in hardware each is emulated, and one
    /// number at a time is faster then. So is any width that the runtime itself would emulate.</remarks>
    public static IReadOnlyList<VectorKernels> Supported { get; } = Choices();

    /// <summary>Those in use: the fastest, if no others are asked for.</summary>
    public static VectorKernels Current { get; private set; } = Supported[0];

    /// <summary>Computes with registers of this width from now on. For the start of a process.</summary>
    /// <returns>Whether this processor has them; if not, nothing changes.</returns>
    public static bool Use(int bits)
    {
        if (Supported.FirstOrDefault(kernels => kernels.Bits == bits) is not { } chosen)
            return false;
        Current = chosen;
        return true;
    }

    private static VectorKernels[] Choices()
    {
        var wide = new List<VectorKernels>();
        if (Vector512.IsHardwareAccelerated)
            wide.Add(new VectorKernels<Lanes512, Vector512<double>>());
        if (Vector256.IsHardwareAccelerated && Fma.IsSupported)
            wide.Add(new VectorKernels<Lanes256, Vector256<double>>());
        var narrow = new VectorKernels<Lanes128, Vector128<double>>();
        var single = new VectorKernels<Lanes64, double>();
        return Fma.IsSupported || AdvSimd.Arm64.IsSupported ? [.. wide, narrow, single] : [.. wide, single, narrow];
    }
}
