using System.Buffers.Binary;
using System.Security.Cryptography;

namespace BackpropCluster.Core.Learning;

/// <summary>Proof of a result: SHA-256 over all parameters as little-endian float64, for each layer W row-major, then
/// b.</summary>
public static class WeightsHash
{
    /// <param name="layers">For each layer in order W (outputs × inputs, row-major) and b.</param>
    /// <returns>64 lower-case hexadecimal digits.</returns>
    public static string Sha256(IEnumerable<(double[] Weights, double[] Biases)> layers)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (weights, biases) in layers)
        {
            Append(hash, weights);
            Append(hash, biases);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>A sum over (address, bits) of some weights of one layer, the same in whatever order and by whomever
    /// they are added.</summary>
    /// <remarks>Compares the two ends of a layer's weights: each end is cut another way, so only an order-free sum can
    /// be compared.</remarks>
    public static ulong CommutativeChecksum(
        ReadOnlySpan<double> weights,
        int columns,
        int inputsOfLayer,
        int firstRow,
        int firstColumn
    )
    {
        ulong sum = 0;
        for (var k = 0; k < weights.Length; k++)
        {
            var address = (ulong)(firstRow + k / columns) * (ulong)inputsOfLayer + (ulong)(firstColumn + k % columns);
            sum += Mix(Mix(address) ^ BitConverter.DoubleToUInt64Bits(weights[k]));
        }

        return sum;
    }

    private static void Append(IncrementalHash hash, double[] values)
    {
        Span<byte> bytes = stackalloc byte[sizeof(double)];
        foreach (var value in values)
        {
            BinaryPrimitives.WriteDoubleLittleEndian(bytes, value);
            hash.AppendData(bytes);
        }
    }

    // The finalizer of SplitMix64 (G. Steele, D. Lea, C. Flood, 2014): one flipped bit changes half of the result's.
    private static ulong Mix(ulong x)
    {
        x = (x + 0x9E3779B97F4A7C15) ^ ((x + 0x9E3779B97F4A7C15) >> 30);
        x *= 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }
}
