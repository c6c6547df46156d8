using System.Globalization;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>A layer's <c>init: {file: x.safetensors}</c>: parameters to begin with, from that file's weight and bias of the same layer.</summary>
internal sealed class InitKeys(string runFile)
{
    // Several layers mostly come from one file.
    private readonly Dictionary<string, IReadOnlyList<Tensor>> read = [];

    /// <param name="init">The keys.</param>
    /// <param name="layer">From 0, as in the tensors' names.</param>
    /// <param name="units">Of the layer.</param>
    /// <param name="inputs">Of the layer.</param>
    /// <exception cref="DataException">The file is unsound, or its tensors do not fit.</exception>
    public GivenParameters Read(Section init, int layer, int units, int inputs)
    {
        var path = init.Path("file", runFile);
        var weights = Find(path, string.Create(CultureInfo.InvariantCulture, $"layers.{layer}.weight"), units, inputs);
        var biases = Find(path, string.Create(CultureInfo.InvariantCulture, $"layers.{layer}.bias"), units);
        return new GivenParameters([.. weights.Values], [.. biases.Values], path);
    }

    private Tensor Find(string path, string name, params long[] shape)
    {
        if (!read.TryGetValue(path, out var tensors)) read.Add(path, tensors = Open(path));
        var tensor = tensors.FirstOrDefault(t => t.Name == name)
            ?? throw new DataException(path, $"holds no tensor {name}", "Export the model again, or choose another init.");
        if (!tensor.Shape.SequenceEqual(shape)) throw new DataException(path, $"{name} has the shape [{string.Join(", ", tensor.Shape)}], the layer needs [{string.Join(", ", shape)}]", "Give the layers the file's sizes, or choose another init.");
        var odd = Array.FindIndex(tensor.Values, value => !double.IsFinite(value));
        return odd < 0 ? tensor : throw new DataException(path, $"{name} holds {tensor.Values[odd].ToString(CultureInfo.InvariantCulture)} at index {odd}, expected finite numbers", "Export an earlier checkpoint.");
    }

    private static IReadOnlyList<Tensor> Open(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            return Safetensors.Read(path, file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataException(path, $"cannot be read: {e.Message}", "Correct the path in the run file; it is relative to that file.");
        }
    }
}
