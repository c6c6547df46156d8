using System.Runtime.InteropServices;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>A run file that was read and found sound: what to train, and where.</summary>
/// <param name="Spec">What.</param>
/// <param name="Cluster">Where.</param>
/// <param name="Trace">What is told of which steps.</param>
/// <param name="Table">The rows that the file names, as they were read to check it.</param>
internal sealed record RunFile(RunSpec Spec, ClusterSpec Cluster, TraceSpec Trace, Table Table)
{
    /// <summary>Reads a run file: defaults &lt; file &lt; <c>--set</c>.</summary>
    /// <param name="path">For places in errors, and for the name where the file gives none.</param>
    /// <param name="text">The file's text.</param>
    /// <param name="sets">key=value, the later ones last.</param>
    /// <exception cref="RunFileException">Something is unknown, missing, misshapen or does not fit
    /// together.</exception>
    public static RunFile Read(string path, string text, IReadOnlyList<string> sets)
    {
        var root = RunFileSyntax.ReadFile(path, text);
        foreach (var set in sets)
            Overrides.Apply(root, set);
        return RunFileReader.Read(path, root);
    }

    /// <summary>The files that layers take their first parameters from.</summary>
    public IEnumerable<string> GivenFiles => Given.Select(given => given.File).Distinct();

    /// <summary>SHA-256 over the parameters of these layers, as <see cref="WeightsHash"/> has it;
    /// <see langword="null"/> where no layer takes any.</summary>
    public string? GivenSha256 =>
        Given.Any()
            ? WeightsHash.Sha256(
                Given.Select(given =>
                    (
                        ImmutableCollectionsMarshal.AsArray(given.Weights)!,
                        ImmutableCollectionsMarshal.AsArray(given.Biases)!
                    )
                )
            )
            : null;

    private IEnumerable<GivenParameters> Given =>
        Spec.Model.Layers.Select(layer => layer.Given).OfType<GivenParameters>();

    /// <summary>The run with every default spelt out; reads back as an equal one.</summary>
    /// <param name="folder">Where the text will lie: the paths in it are relative to that, so that it can be moved
    /// together with its files. Without it they are whole.</param>
    public string ToYaml(string? folder = null) =>
        string.Concat(
            RunFileKeys
                .Root.Lines(
                    new RunKeys(Spec, Cluster, Trace),
                    file => folder is null ? file : Path.GetRelativePath(folder, file)
                )
                .Select(line => $"{line}\n")
        );
}
