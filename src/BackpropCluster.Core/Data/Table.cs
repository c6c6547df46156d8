using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace BackpropCluster.Core.Data;

/// <summary>Rows as a source holds them: before any split, scaling or choice of targets.</summary>
/// <param name="Features">Input columns.</param>
/// <param name="Inputs">rows × features, row-major.</param>
/// <param name="Classes">The class of each row, 0, 1, …; <see langword="null"/> where targets are real numbers.</param>
/// <param name="ClassCount">How many classes there are; 0 where targets are real numbers.</param>
/// <param name="TargetColumns">Real target columns; 0 where rows have a class.</param>
/// <param name="Targets">rows × target columns, row-major; empty where rows have a class.</param>
/// <param name="TestRows">How many rows at the end the source itself holds out; 0 where the run file's share
/// decides.</param>
public sealed record Table(
    int Features,
    double[] Inputs,
    int[]? Classes,
    int ClassCount,
    int TargetColumns,
    double[] Targets,
    int TestRows = 0
)
{
    /// <summary>SHA-256 over the very bytes that the rows were read from: the data's files as they lie, one after the
    /// other; empty for what the program brings along. It stays with the rows, or a file that is edited between two
    /// readings would lend its hash to other rows.</summary>
    public string FilesSha256 { get; init; } = "";

    /// <summary>How many rows are held out: the source's own, or the share, rounded to the nearest row.</summary>
    public int HeldOut(double share) =>
        TestRows > 0 ? TestRows : (int)Math.Round(Rows * share, MidpointRounding.AwayFromZero);

    /// <summary>SHA-256 over shape, inputs, classes and targets: tells whether two machines, or two days, have the same
    /// rows.</summary>
    /// <returns>64 lower-case hexadecimal digits.</returns>
    public string Sha256()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        int[] shape = [Features, Rows, ClassCount, TargetColumns, TestRows];
        hash.AppendData(MemoryMarshal.AsBytes<int>(shape));
        hash.AppendData(MemoryMarshal.AsBytes<double>(Inputs));
        hash.AppendData(MemoryMarshal.AsBytes<int>(Classes ?? []));
        hash.AppendData(MemoryMarshal.AsBytes<double>(Targets));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    public int Rows => Inputs.Length / Features;

    /// <summary>How many outputs a model needs: one per real target or class; for two classes one output is enough as
    /// well.</summary>
    public bool Accepts(int outputs) =>
        Classes is null ? outputs == TargetColumns : outputs == ClassCount || (ClassCount == 2 && outputs == 1);

    public static Table OfClasses(int features, double[] inputs, int[] classes, int classCount) =>
        new(features, inputs, classes, classCount, 0, []);

    public static Table OfTargets(int features, double[] inputs, int targetColumns, double[] targets) =>
        new(features, inputs, null, 0, targetColumns, targets);
}
