using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Grains.Data;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>A layer's <c>init: {file: x.safetensors}</c>: parameters to begin with, from that file's weight and bias of
/// the same layer.</summary>
internal sealed class GivenFiles : IDisposable
{
    // Several layers mostly come from one file. It stays open: values are looked for where its header says, so both
    // must be one file's.
    private readonly Dictionary<string, (FileStream File, IReadOnlyList<TensorPlace> Places)> read = [];

    /// <param name="path">The file.</param>
    /// <param name="layer">From 0, as in the tensors' names.</param>
    /// <param name="units">Of the layer.</param>
    /// <param name="inputs">Of the layer.</param>
    /// <exception cref="DataException">The file is unsound, or its tensors do not fit.</exception>
    public GivenParameters Read(string path, int layer, int units, int inputs)
    {
        if (!read.TryGetValue(path, out var source))
            read.Add(path, source = DataFiles.Reading(path, () => Open(path)));
        var (file, places) = source;

        // Both shapes before any value: a file that does not fit may be as large as its author liked.
        var weights = Find(
            path,
            places,
            string.Create(CultureInfo.InvariantCulture, $"layers.{layer}.weight"),
            units,
            inputs
        );
        var biases = Find(path, places, string.Create(CultureInfo.InvariantCulture, $"layers.{layer}.bias"), units);
        return new GivenParameters(Values(path, file, weights), Values(path, file, biases), path);
    }

    public void Dispose()
    {
        foreach (var (file, _) in read.Values)
            file.Dispose();
    }

    private static TensorPlace Find(string path, IReadOnlyList<TensorPlace> places, string name, params long[] shape)
    {
        var place =
            places.FirstOrDefault(t => t.Name == name)
            ?? throw new DataException(
                path,
                $"holds no tensor {name}",
                "Export the model again, or choose another init."
            );
        return place.Shape.SequenceEqual(shape)
            ? place
            : throw new DataException(
                path,
                $"{name} has the shape [{string.Join(", ", place.Shape)}], the layer needs "
                    + $"[{string.Join(", ", shape)}]",
                "Give the layers the file's sizes, or choose another init."
            );
    }

    private static ImmutableArray<double> Values(string path, FileStream file, TensorPlace place)
    {
        var values = DataFiles.Reading(path, () => Safetensors.ReadValues(file, place)).Values;
        var odd = Array.FindIndex(values, value => !double.IsFinite(value));
        return odd < 0
            ? ImmutableCollectionsMarshal.AsImmutableArray(values)
            : throw new DataException(
                path,
                $"{place.Name} holds {values[odd].ToString(CultureInfo.InvariantCulture)} at index {odd}, expected "
                    + $"finite numbers",
                "Export an earlier checkpoint."
            );
    }

    private static (FileStream, IReadOnlyList<TensorPlace>) Open(string path)
    {
        var file = DataFiles.Open(path);
        try
        {
            return (file, Safetensors.ReadHeader(path, file));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
